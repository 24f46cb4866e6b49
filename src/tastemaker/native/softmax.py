"""The softmax over a catalog with products in bfloat16, by a processor's matrix unit (AMX).

`tastemaker.training.kernels.softmax` has the plain form.
"""

import ctypes
from ctypes import c_int32, c_int64, c_void_p
from functools import cache

import torch

from tastemaker.native.library import compiled, is_compiled


@cache
def is_supported() -> bool:
    """Returns whether there is compiled code and this processor has a matrix unit."""
    return is_compiled() and bool(compiled().softmax_is_supported())


def log_sums(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Returns (m,) float32: the logarithm of the sum of the exponentials of each query's scores.

    Args:
        queries: (m, d) float32, contiguous.
        keys: (n_items, d) float32, contiguous.
    """
    parts = torch.empty(torch.get_num_threads(), len(queries))
    _compiled().softmax_log_sums(*_common(queries, keys, len(parts)), parts.data_ptr())
    return parts.logsumexp(dim=0)


def gradients(
    queries: torch.Tensor, keys: torch.Tensor, weights: torch.Tensor, log_sums: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns P keys, (m, d), and Pᵀ (weights queries), (n_items, d), both float32.

    P, (m, n_items), are the exponentials of the scores, divided by their sum.

    Args:
        queries: (m, d) float32, contiguous.
        keys: (n_items, d) float32, contiguous.
        weights: (m,) float32, contiguous.
        log_sums: (m,) float32, contiguous: the result of the function `log_sums`.
    """
    parts = torch.empty(torch.get_num_threads(), *queries.shape)
    key_gradients = torch.zeros_like(keys)
    _compiled().softmax_gradients(
        *_common(queries, keys, len(parts)), weights.data_ptr(), log_sums.data_ptr(),
        parts.data_ptr(), key_gradients.data_ptr(),
    )  # fmt: skip
    return parts[0] if len(parts) == 1 else parts.sum(dim=0), key_gradients


def _common(queries: torch.Tensor, keys: torch.Tensor, n_threads: int) -> tuple[int, ...]:
    return (queries.data_ptr(), len(queries), keys.data_ptr(), *keys.shape, n_threads)


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    common_types = c_void_p, c_int64, c_void_p, c_int64, c_int64, c_int32
    loaded.softmax_log_sums.restype = loaded.softmax_gradients.restype = None
    loaded.softmax_log_sums.argtypes = [*common_types, c_void_p]
    loaded.softmax_gradients.argtypes = [*common_types, *[c_void_p] * 4]
    return loaded
