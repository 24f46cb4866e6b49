"""The softmax over a catalog with products in bfloat16, by a processor's matrix unit (AMX).

`tastemaker.training.kernels.softmax` has the plain form.
"""

import ctypes
from ctypes import c_double, c_int32, c_int64, c_void_p
from functools import cache

import torch

from tastemaker.native.library import compiled, is_compiled


@cache
def is_supported() -> bool:
    """Returns whether there is compiled code and this processor has a matrix unit."""
    return is_compiled() and bool(compiled().softmax_is_supported())


def loss_and_gradients(
    queries: torch.Tensor, keys: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns the sum of the weighted losses, and the gradients of the queries and the keys.

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
        c_void_p, c_int64, c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_int32, c_void_p,
        c_void_p,
    ]  # fmt: skip
    return loaded
