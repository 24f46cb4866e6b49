"""The best k of each row, with ties broken by code so that one score gives one list."""

from typing import NamedTuple

import numpy as np
import torch

from tastemaker.native.library import is_compiled
from tastemaker.native.tops import Excluded, best_of_scores
from tastemaker.ranking.exclusion import Exclusion
from tastemaker.shown import short_repr

GROUP = 32
"""Neighbouring items whose maximum stands for all of them while the best are sought."""


class TopItems(NamedTuple):
    """The best items of some users, best first."""

    items: torch.Tensor
    """(n, k) int64 codes."""
    scores: torch.Tensor
    """(n, k), -inf past a row's length."""
    lengths: torch.Tensor
    """(n,) int64: the entries past it are items that may not be recommended; drop them."""

    def __repr__(self) -> str:
        return short_repr(self)

    def at(self, where: np.ndarray) -> "TopItems":
        """The rows where the mask is true."""
        return TopItems(*(column[torch.from_numpy(where)] for column in self))


def top_k(scores: torch.Tensor, k: int, exclusion: Exclusion | None = None) -> TopItems:
    """The k best items of each row; equal scores in the order of the codes.

    Exactly what `plain_top_k` gives of the scores with -inf for what is excluded.

    Args:
        scores: (n, n_items), rows or columns contiguous; they are not changed. What is not a
            number or -inf is not recommended.
        k: at least 1.
        exclusion: what the users of the rows may not get; None where they may get everything.

    Returns:
        As wide as k or n_items, whichever is less.
    """
    k, exclusion = min(k, scores.shape[1]), exclusion or Exclusion()
    if in_compiled_code(scores) and scores.stride(1) == 1 and k:
        return TopItems(*best_of_scores(scores, k, excluded(exclusion, len(scores))))
    return top_k_by_groups(exclusion.apply(scores.clone()), k)


def in_compiled_code(numbers: torch.Tensor) -> bool:
    """Whether the compiled selection takes these."""
    return numbers.device.type == "cpu" and numbers.dtype == torch.float32 and is_compiled()


def excluded(exclusion: Exclusion, n: int) -> Excluded:
    """What n users may not get, as the compiled selection takes it."""
    seen = exclusion.seen
    if seen is None:
        return Excluded(exclusion.eligible, np.empty(0, np.int64), np.zeros(n + 1, np.int64))
    return Excluded(exclusion.eligible, seen.items, seen.indptr)


def top_k_by_groups(scores: torch.Tensor, k: int) -> TopItems:
    """Does what `plain_top_k` does, several times faster where there is no compiled code.

    The k best items are in the k groups of neighbours with the best maxima, and maxima are cheap.
    For an item elsewhere there would be k groups that each hold one as good or better and, where as
    good, of a lower code.
    """
    n_groups = scores.shape[1] // GROUP
    if 2 * k > n_groups:
        return plain_top_k(scores, k)
    end = n_groups * GROUP
    groups = scores[:, :end].unflatten(1, (n_groups, GROUP))
    # In the layout of the scores: against it a maximum takes many times as long.
    maxima = torch.amax(groups, 2, out=torch.empty_like(groups[:, :, 0]))
    if maxima.isnan().any():
        return plain_top_k(scores, k)
    best = plain_top_k(maxima, k).items.sort(dim=1).values
    rows = torch.arange(len(scores), device=scores.device)[:, None]
    # The last items, which fill no group, are candidates of every row.
    candidates = torch.cat([groups[rows, best].flatten(1), scores[:, end:]], dim=1)
    top = plain_top_k(candidates, k)
    group, member = top.items // GROUP, top.items % GROUP
    in_groups = best.gather(1, group.clamp(max=k - 1)) * GROUP + member
    items = torch.where(group < k, in_groups, top.items - k * GROUP + end)
    return top._replace(items=items)


def plain_top_k(scores: torch.Tensor, k: int) -> TopItems:
    """The plain form of `top_k` without exclusion: one selection from each whole row."""
    k = min(k, scores.shape[1])
    values, items = scores.topk(k, dim=1)
    if values.isnan().any():
        return plain_top_k(scores.masked_fill(scores.isnan(), -torch.inf), k)
    # topk breaks ties as it likes; where the tie crosses the cut, a stable sort decides.
    last = values[:, -1:]
    crosses = ((scores == last).sum(1) > (values == last).sum(1)) & (last[:, 0] > -torch.inf)
    if crosses.any():
        items[crosses] = scores[crosses].argsort(dim=1, descending=True, stable=True)[:, :k]
    items = items.sort(dim=1).values
    values = scores.gather(1, items)
    order = values.argsort(dim=1, descending=True, stable=True)
    values = values.gather(1, order)
    return TopItems(items.gather(1, order), values, (values > -torch.inf).sum(dim=1))


def merged(one: TopItems, other: TopItems, where: np.ndarray) -> TopItems:
    """One answer of two, which are equally wide: the rows of `one` where the mask is true.

    Args:
        one: for the n_true rows where it is true.
        other: for the rest.
        where: (n,) bool.
    """
    rows = torch.from_numpy(where)
    columns = []
    for first, second in zip(one, other, strict=True):
        column = first.new_empty(len(where), *first.shape[1:])
        column[rows], column[~rows] = first, second.to(first.device)
        columns.append(column)
    return TopItems(*columns)
