"""Selects the best items for each user; `tastemaker.ranking.topk` has the plain form."""

import ctypes
from ctypes import c_int64, c_void_p
from functools import cache
from typing import NamedTuple

import numpy as np
import torch

from tastemaker.native.library import compiled


class Excluded(NamedTuple):
    """The items that n users may not get."""

    eligible: torch.Tensor | None
    """(n_items,) bool, false for an item that no user may get; None if all are eligible."""
    seen: np.ndarray
    """(m,) int64 codes of the items that each user may not get, the users' lists end to end."""
    ends: np.ndarray
    """(n + 1,) int64: user i's list is seen[ends[i]:ends[i + 1]]."""


Tops = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""(n, k) int64 items, best first and equal scores by code; (n, k) float32 scores, -inf past a row's
length; (n,) int64 lengths."""


def best_by_products(keys: torch.Tensor, queries: torch.Tensor, k: int, excluded: Excluded) -> Tops:
    """Returns the k best items for each query by inner products, on one thread.

    Args:
        keys: (n_items, d) float32.
        queries: (n, d) float32.
        k: at least 1.
        excluded: the items that the n users may not get.
    """
    keys, queries = keys.contiguous(), queries.contiguous()
    arguments = keys.data_ptr(), *keys.shape, queries.data_ptr(), len(queries)
    shape = len(queries), len(keys)
    return _selected(_compiled().tops_by_products, arguments, shape, k, excluded)


def best_of_scores(scores: torch.Tensor, k: int, excluded: Excluded) -> Tops:
    """Returns the k best items of each row, on one thread.

    Args:
        scores: (n, n_items) float32, each row contiguous.
        k: at least 1.
        excluded: the items that the users of the n rows may not get.
    """
    n, n_items = scores.shape
    arguments = scores.data_ptr(), scores.stride(0), n_items, n
    return _selected(_compiled().tops_of_scores, arguments, (n, n_items), k, excluded)


def _selected(
    select: "ctypes._NamedFuncPointer",
    arguments: tuple[int, ...],
    shape: tuple[int, int],
    k: int,
    excluded: Excluded,
) -> Tops:
    n, n_items = shape
    items = torch.zeros((n, k), dtype=torch.int64)
    scores, lengths = torch.full((n, k), -torch.inf), torch.empty(n, dtype=torch.int64)
    eligible = None if excluded.eligible is None else excluded.eligible.contiguous()
    # The compiled code would read beyond the end of a shorter mask, and of smaller integers.
    if eligible is not None and len(eligible) != n_items:
        raise IndexError(f"the mask of eligible items has {len(eligible)} entries, not {n_items}")
    seen = np.ascontiguousarray(excluded.seen, dtype=np.int64)
    ends = np.ascontiguousarray(excluded.ends, dtype=np.int64)
    select(
        *arguments, k, None if eligible is None else eligible.data_ptr(), seen.ctypes.data,
        ends.ctypes.data, items.data_ptr(), scores.data_ptr(), lengths.data_ptr(),
    )  # fmt: skip
    return items, scores, lengths


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    loaded.tops_by_products.restype = loaded.tops_of_scores.restype = None
    loaded.tops_by_products.argtypes = [
        c_void_p, c_int64, c_int64, c_void_p, c_int64, c_int64, *[c_void_p] * 6,
    ]  # fmt: skip
    loaded.tops_of_scores.argtypes = [c_void_p, *[c_int64] * 4, *[c_void_p] * 6]
    return loaded
