"""Counts items that score lower than a target; `tastemaker.ranking.ranks` has the plain form."""

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
    """Counts the ranked items that score lower than each target, on one thread.

    Args:
        keys: (n_items, d) float32.
        queries: (n, d) float32, the query of each target's user.
        targets: (n,) int64 codes.
        not_ranked: (m,) int64 codes of the items that are not ranked for a target, which include
            the target itself; the targets' lists end to end.
        ends: (n + 1,) int64: target i's list is not_ranked[ends[i]:ends[i + 1]].

    Returns:
        (n,) int64 counts, and (n,) float32 scores of the targets.
    """
    keys, queries, targets = keys.contiguous(), queries.contiguous(), targets.contiguous()
    not_ranked, ends = not_ranked.contiguous(), ends.contiguous()
    target_scores, below = torch.empty(len(targets)), torch.empty(len(targets), dtype=torch.int64)
    _compiled().ranks_count_below(
        keys.data_ptr(), *keys.shape, queries.data_ptr(), len(targets), targets.data_ptr(),
        not_ranked.data_ptr(), ends.data_ptr(), target_scores.data_ptr(), below.data_ptr(),
    )  # fmt: skip
    return below, target_scores


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    loaded.ranks_count_below.restype = None
    loaded.ranks_count_below.argtypes = [
        c_void_p, c_int64, c_int64, c_void_p, c_int64, *[c_void_p] * 5,
    ]  # fmt: skip
    return loaded
