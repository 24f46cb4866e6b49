"""Selects the best k items of each row; ties are broken by item code, so results are unique."""

from typing import NamedTuple

import numpy as np
import torch

from tastemaker.native.library import is_compiled
from tastemaker.native.tops import Excluded, best_of_scores
from tastemaker.ranking.exclusion import Exclusion
from tastemaker.representation import short_repr

GROUP = 32
"""Number of neighbouring items in a group, which its maximum represents in the first selection."""


class TopItems(NamedTuple):
    """The best items of some users, best first."""

    items: torch.Tensor
    """(n, k) int64 codes."""
    scores: torch.Tensor
    """(n, k), -inf past a row's length."""
    lengths: torch.Tensor
    """(n,) int64 valid entries per row; the items after them may not be recommended: drop them."""

    def __repr__(self) -> str:
        return short_repr(self)

    def at(self, where: np.ndarray) -> "TopItems":
        """Returns the rows where the mask is true."""
        return TopItems(*(column[torch.from_numpy(where)] for column in self))


def top_k(scores: torch.Tensor, k: int, exclusion: Exclusion | None = None) -> TopItems:
    """Returns the k best items of each row, equal scores in the order of the codes.

    The result is exactly that of `plain_top_k` for scores with -inf at the excluded items.

    Args:
        scores: (n, n_items), rows or columns contiguous; not modified. Items with the score NaN or
            -inf are not recommended.
        k: at least 1.
        exclusion: the items that the users of the rows may not get; None if they may get all.

    Returns:
        Lists of width min(k, n_items).
    """
    k, exclusion = min(k, scores.shape[1]), exclusion or Exclusion()
    if can_use_compiled_code(scores) and scores.stride(1) == 1 and k:
        return TopItems(*best_of_scores(scores, k, compiled_exclusion(exclusion, len(scores))))
    return top_k_by_groups(exclusion.apply(scores.clone()), k)


def can_use_compiled_code(numbers: torch.Tensor) -> bool:
    """Returns whether the compiled selection is available and accepts this tensor."""
    return numbers.device.type == "cpu" and numbers.dtype == torch.float32 and is_compiled()


def compiled_exclusion(exclusion: Exclusion, n: int) -> Excluded:
    """Converts the exclusion for n users to the arguments of the compiled selection."""
    seen = exclusion.seen
    if seen is None:
        return Excluded(exclusion.eligible, np.empty(0, np.int64), np.zeros(n + 1, np.int64))
    return Excluded(exclusion.eligible, seen.items, seen.indptr)


def top_k_by_groups(scores: torch.Tensor, k: int) -> TopItems:
    """Gives the same result as `plain_top_k`, several times faster; used without compiled code.

    The k best items are in the k groups of neighbouring items with the best maxima, and maxima are
    cheap to compute. An item outside these groups cannot be among the k best, since each of the k
    groups holds an item with a higher score, or with the same score and a lower code.
    """
    n_groups = scores.shape[1] // GROUP
    if 2 * k > n_groups:
        return plain_top_k(scores, k)
    end = n_groups * GROUP
    groups = scores[:, :end].unflatten(1, (n_groups, GROUP))
    # The output has the memory layout of the scores; in another one, this takes many times longer.
    maxima = torch.amax(groups, 2, out=torch.empty_like(groups[:, :, 0]))
    if maxima.isnan().any():
        return plain_top_k(scores, k)
    best = plain_top_k(maxima, k).items.sort(dim=1).values
    rows = torch.arange(len(scores), device=scores.device)[:, None]
    # The last items, too few for a group, are candidates in every row.
    candidates = torch.cat([groups[rows, best].flatten(1), scores[:, end:]], dim=1)
    top = plain_top_k(candidates, k)
    group, member = top.items // GROUP, top.items % GROUP
    in_groups = best.gather(1, group.clamp(max=k - 1)) * GROUP + member
    items = torch.where(group < k, in_groups, top.items - k * GROUP + end)
    return top._replace(items=items)


def plain_top_k(scores: torch.Tensor, k: int) -> TopItems:
    """The plain form of `top_k` without exclusion: one selection over each whole row."""
    k = min(k, scores.shape[1])
    values, items = scores.topk(k, dim=1)
    if values.isnan().any():
        return plain_top_k(scores.masked_fill(scores.isnan(), -torch.inf), k)
    # torch.topk breaks ties arbitrarily; where a tie goes beyond the k-th item, a stable sort
    # selects the items.
    last = values[:, -1:]
    tie_crosses_k = ((scores == last).sum(1) > (values == last).sum(1)) & (last[:, 0] > -torch.inf)
    if tie_crosses_k.any():
        items[tie_crosses_k] = scores[tie_crosses_k].argsort(dim=1, descending=True, stable=True)[
            :, :k
        ]
    items = items.sort(dim=1).values
    values = scores.gather(1, items)
    order = values.argsort(dim=1, descending=True, stable=True)
    values = values.gather(1, order)
    return TopItems(items.gather(1, order), values, (values > -torch.inf).sum(dim=1))


def merged(one: TopItems, other: TopItems, where: np.ndarray) -> TopItems:
    """Merges two results of the same width, with rows of `one` where the mask is true.

    Args:
        one: the result for the rows where the mask is true.
        other: the result for the remaining rows.
        where: (n,) bool, the mask.
    """
    rows = torch.from_numpy(where)
    columns = []
    for first, second in zip(one, other, strict=True):
        column = first.new_empty(len(where), *first.shape[1:])
        column[rows], column[~rows] = first, second.to(first.device)
        columns.append(column)
    return TopItems(*columns)
