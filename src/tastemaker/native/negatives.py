"""Draws negatives in compiled code; `tastemaker.sampling` has the plain form."""

import ctypes
from ctypes import POINTER, byref, c_int32, c_int64, c_uint64, c_void_p
from functools import cache

import torch

from tastemaker.native.library import compiled


class Unseen(ctypes.Structure):
    """The items that users have not touched, laid out as in negatives.cpp.

    The fields are addresses of tensors, which the caller must keep alive.
    """

    _fields_ = (
        ("bits", c_void_p),
        ("below", c_void_p),
        ("indptr", c_void_p),
        ("n_items", c_int64),
    )


def draw(unseen: Unseen, users: torch.Tensor, n: int, key: int, *, n_attempts: int) -> torch.Tensor:
    """Draws n items for each user; the result does not depend on the number of threads.

    Args:
        unseen: the untouched items of all users.
        users: (b,) int64 codes of users who have not touched every item.
        n: number of items for each user.
        key: the start of the sequence of random numbers.
        n_attempts: number of draws, checked in the bitmap if there is one, before a draw by rank.

    Returns:
        (b, n) int64 item codes.
    """
    users = users.contiguous()
    items = torch.empty((len(users), n), dtype=torch.int64)
    _compiled().negatives_draw(
        byref(unseen), users.data_ptr(), len(users), n, key, n_attempts, torch.get_num_threads(),
        items.data_ptr(),
    )  # fmt: skip
    return items


def distinct(
    unseen: Unseen, users: torch.Tensor, numbers: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draws n distinct items for each user, or all untouched items where there are fewer.

    Args:
        unseen: the untouched items of all users.
        users: (b,) int64 codes.
        numbers: (n, b) int64, drawn uniformly from 0 to below 2^62.

    Returns:
        (b, n) int64 item codes and (b,) int64 number of valid entries per row; the rest are 0.
    """
    users, numbers = users.contiguous(), numbers.contiguous()
    items = torch.empty((len(users), len(numbers)), dtype=torch.int64)
    lengths = torch.empty(len(users), dtype=torch.int64)
    sizes, results = (len(users), len(numbers)), (items.data_ptr(), lengths.data_ptr())
    arguments = users.data_ptr(), *sizes, numbers.data_ptr(), torch.get_num_threads(), *results
    _compiled().negatives_draw_distinct(byref(unseen), *arguments)
    return items, lengths


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    common_types = POINTER(Unseen), c_void_p, c_int64, c_int64
    loaded.negatives_draw.restype = loaded.negatives_draw_distinct.restype = None
    loaded.negatives_draw.argtypes = [*common_types, c_uint64, c_int32, c_int32, c_void_p]
    loaded.negatives_draw_distinct.argtypes = [*common_types, c_void_p, c_int32, c_void_p, c_void_p]
    return loaded
