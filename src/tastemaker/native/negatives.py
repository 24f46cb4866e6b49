"""Draws negatives; `tastemaker.sampling` has the plain form."""

import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref, c_int32, c_int64, c_uint64, c_void_p
from functools import cache

import torch

from tastemaker.native.library import library


class Unseen(ctypes.Structure):
    """What a user has not touched, as in negatives.cpp: addresses, whose tensors must live on."""

    _fields_ = (
        ("bits", c_void_p),
        ("below", c_void_p),
        ("indptr", c_void_p),
        ("n_items", c_int64),
    )


def draw(
    unseen: Unseen, users: torch.Tensor, n: int, key: int, *, n_attempts: int, n_threads: int
) -> torch.Tensor:
    """Draws n items for each user, whatever the number of threads the same ones.

    Args:
        unseen: of all users.
        users: (b,) int64 codes of users who have not touched everything.
        n: how many for each.
        key: begins the sequence of random numbers.
        n_attempts: as often the bitmap, if there is one, may say that an item was touched.
        n_threads: which share the work.

    Returns:
        (b, n) int64 item codes.
    """
    users = users.contiguous()
    items = torch.empty((len(users), n), dtype=torch.int64)
    addresses = users.data_ptr(), len(users), n, key, n_attempts, n_threads, items.data_ptr()
    _compiled()(byref(unseen), *addresses)
    return items


@cache
def _compiled() -> Callable[..., None]:
    loaded = library()
    assert loaded is not None, "asked for where is_compiled() says no"
    loaded.draw.restype = None
    sizes = c_int64, c_int64, c_uint64, c_int32, c_int32
    loaded.draw.argtypes = [POINTER(Unseen), c_void_p, *sizes, c_void_p]
    draw: Callable[..., None] = loaded.draw
    return draw
