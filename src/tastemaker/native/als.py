"""Improves vectors for alternating least squares in compiled code.

`tastemaker.models.factorization.conjugate_gradients` has the plain form.
"""

import ctypes
from ctypes import c_int32, c_int64, c_void_p
from functools import cache

import numpy as np
import torch
from scipy.sparse import csr_matrix

from tastemaker.native.library import compiled

WIDTH = 16
"""The dimension of vectors must be a multiple of this number."""


def gram(vectors: np.ndarray) -> np.ndarray:
    """Returns the Gram matrix, (d, d) float32, of vectors (n, d) float32, summed in float64."""
    n, d = vectors.shape
    _check_width(d)
    result = np.empty((d, d), dtype=np.float32)
    _compiled().als_gram(vectors.ctypes.data, n, d, torch.get_num_threads(), result.ctypes.data)
    return result


def improve(
    extra: csr_matrix,
    penalties: np.ndarray,
    fixed: np.ndarray,
    gram: np.ndarray,
    vectors: np.ndarray,
    n_steps: int,
) -> np.ndarray:
    """Takes steps as `conjugate_gradients.improve` describes them.

    The result does not depend on the number of threads.
    """
    n, d = vectors.shape
    _check_width(d)
    ends, columns = extra.indptr.astype(np.int64), extra.indices.astype(np.int32, copy=False)
    losses = np.empty(n)
    _compiled().als_improve(
        ends.ctypes.data, columns.ctypes.data, extra.data.ctypes.data, penalties.ctypes.data, n,
        fixed.ctypes.data, gram.ctypes.data, d, n_steps, torch.get_num_threads(),
        vectors.ctypes.data, losses.ctypes.data,
    )  # fmt: skip
    return losses


def _check_width(d: int) -> None:
    if d % WIDTH:
        raise ValueError(f"the vectors have {d} dimensions, which is not a multiple of {WIDTH}")


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    loaded.als_gram.restype = loaded.als_improve.restype = None
    loaded.als_gram.argtypes = [c_void_p, c_int64, c_int64, c_int32, c_void_p]
    loaded.als_improve.argtypes = [
        *[c_void_p] * 4, c_int64, c_void_p, c_void_p, c_int64, c_int32, c_int32, c_void_p, c_void_p,
    ]  # fmt: skip
    return loaded
