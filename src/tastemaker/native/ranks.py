"""Counts what scores lower than a target; `tastemaker.ranking.ranks` has the plain form."""

import ctypes
from ctypes import c_int64, c_void_p
from functools import cache

import torch

from tastemaker.native.library import compiled


def count_below(
    keys: torch.Tensor,
    queries: torch.Tensor,
    targets: torch.Tensor,
    not_ranked: torch.Tensor,
    ends: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """How many of the ranked items score lower than each target, on one thread.

    Args:
        keys: (n_items, d) float32.
        queries: (n, d) float32, of each target's user.
        targets: (n,) int64 codes.
        not_ranked: (m,) int64 codes of what does not count, each target among its own.
        ends: (n + 1,) int64 pointers to each target's in not_ranked.

    Returns:
        (n,) int64, and (n,) float32 scores of the targets.
    """
    keys, queries, targets = keys.contiguous(), queries.contiguous(), targets.contiguous()
    not_ranked, ends = not_ranked.contiguous(), ends.contiguous()
    wanted, below = torch.empty(len(targets)), torch.empty(len(targets), dtype=torch.int64)
    _compiled().ranks_count_below(
        keys.data_ptr(), *keys.shape, queries.data_ptr(), len(targets), targets.data_ptr(),
        not_ranked.data_ptr(), ends.data_ptr(), wanted.data_ptr(), below.data_ptr(),
    )  # fmt: skip
    return below, wanted


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    loaded.ranks_count_below.restype = None
    loaded.ranks_count_below.argtypes = [
        c_void_p, c_int64, c_int64, c_void_p, c_int64, *[c_void_p] * 5,
    ]  # fmt: skip
    return loaded
