"""Finds nearest items in compiled code; `tastemaker.models.linear.nearest` has the plain form."""

import ctypes
from ctypes import c_int64, c_void_p
from functools import cache

import numpy as np
import torch
from scipy.sparse import csr_matrix

from tastemaker.native.library import compiled


def nearest(
    by_item: csr_matrix, by_user: csr_matrix, items: range, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Finds the k items with the largest inner products with each of some items, on all threads.

    Args:
        by_item: (n_items, n_users) float64, the vectors of the items.
        by_user: its transpose.
        items: codes of the items to compare, in steps of 1.
        k: at most n_items.

    Returns:
        (n, k) int32 codes, all different, and (n, k) float32 inner products: first those other than
        0 in descending order, equal ones by code; then, if there are fewer than k, any further
        codes with 0.
    """
    matrices = by_item, by_user
    # Kept in variables, since the compiled code reads their memory.
    ends = [matrix.indptr.astype(np.int64) for matrix in matrices]
    columns = [matrix.indices.astype(np.int32, copy=False) for matrix in matrices]
    codes = torch.empty(len(items), k, dtype=torch.int32)
    values = torch.empty(len(items), k)
    _compiled().neighbours_nearest(
        *(
            array.ctypes.data
            for arrays in zip(ends, columns, (m.data for m in matrices), strict=True)
            for array in arrays
        ),
        by_item.shape[0], items.start, items.stop, k, torch.get_num_threads(),
        codes.data_ptr(), values.data_ptr(),
    )  # fmt: skip
    return codes, values


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    loaded.neighbours_nearest.restype = None
    loaded.neighbours_nearest.argtypes = [
        *[c_void_p] * 6, *[c_int64] * 5, c_void_p, c_void_p,
    ]  # fmt: skip
    return loaded
