"""The softmax over a catalog with products in bfloat16, where the processor computes them.

`tastemaker.training.kernels.softmax` has the plain form.
"""

import ctypes
from ctypes import c_double, c_int32, c_int64, c_void_p
from functools import cache
from typing import Literal

import torch

from tastemaker.native.library import compiled, is_compiled

Unit = Literal["matrix", "vector"]

UNITS: tuple[Unit, ...] = ("matrix", "vector")
"""The parts of a processor that multiply bfloat16, the fastest first: AMX, and AVX512_BF16. The
compiled code numbers them in this order."""


@cache
def units() -> tuple[Unit, ...]:
    """Returns those of UNITS for which there is compiled code and which this processor has."""
    if not is_compiled():
        return ()
    return tuple(unit for i, unit in enumerate(UNITS) if compiled().softmax_has_unit(i))


def loss_and_gradients(
    queries: torch.Tensor, keys: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns the sum of the weighted losses, and the gradients of the queries and the keys.

    The products are computed by the first of `units()`; may be called only where there is one.

    Args:
        queries: (m, d).
        keys: (n_items, d).
        targets: (m,) int64 rows of `keys`.
        weights: (m,) weights of the losses.
    """
    queries, keys, weights = (x.float().contiguous() for x in (queries, keys, weights))
    targets = targets.contiguous()
    query_gradients, key_gradients = torch.empty_like(queries), torch.zeros_like(keys)
    loss = _compiled().softmax_loss(
        UNITS.index(units()[0]),
        queries.data_ptr(), len(queries), keys.data_ptr(), *keys.shape,
        targets.data_ptr(), weights.data_ptr(), torch.get_num_threads(),
        query_gradients.data_ptr(), key_gradients.data_ptr(),
    )  # fmt: skip
    return torch.tensor(loss), query_gradients, key_gradients


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    loaded.softmax_loss.restype = c_double
    loaded.softmax_loss.argtypes = [
        c_int32, c_void_p, c_int64, c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_int32,
        c_void_p, c_void_p,
    ]  # fmt: skip
    return loaded
