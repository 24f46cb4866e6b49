"""Recall and latency of an approximate index, compared with the exact one."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from tastemaker.ranking.exclusion import Exclusion
from tastemaker.ranking.index import Index
from tastemaker.ranking.topk import TopItems

USERS_TIMED = 200
"""Number of users whose queries are timed one at a time; enough for a stable median."""


@dataclass(frozen=True)
class IndexComparison:
    """One index compared with the exact index, on the same users."""

    recall: float
    """Fraction of the items in a user's exact list that the index finds, averaged over users."""
    latency_ms: float
    """Median latency of a query for one user, in milliseconds."""
    exact_latency_ms: float
    """Median latency of the same query by the exact index, in milliseconds."""


def compare(
    index: Index, exact: Index, queries: torch.Tensor, k: int, exclusion: Exclusion
) -> IndexComparison:
    """Searches both for all users at once, for the recall, and for single users, for the latency.

    Args:
        index: the index to evaluate.
        exact: the exact index.
        queries: (n_users, d) float32.
        k: length of the lists.
        exclusion: the items that these users may not get.
    """
    lists = (each.search(queries, k, exclusion) for each in (index, exact))
    return IndexComparison(
        recall(*lists),
        _median_ms(lambda query, excluded: index.search(query, k, excluded), queries, exclusion),
        _median_ms(lambda query, excluded: exact.search(query, k, excluded), queries, exclusion),
    )


def recall(found: TopItems, exact: TopItems) -> float:
    """Returns the fraction of an exact list's items that were found, averaged over users.

    Users whose exact list is empty are left out.
    """
    position = torch.arange(exact.items.shape[1])
    is_valid = position < exact.lengths.cpu()[:, None]
    found_items = torch.where(position < found.lengths.cpu()[:, None], found.items.cpu(), -1)
    hits = (exact.items.cpu()[:, :, None] == found_items[:, None, :]).any(dim=2) & is_valid
    has_items = is_valid.any(dim=1)
    return float((hits.sum(dim=1)[has_items] / is_valid.sum(dim=1)[has_items]).mean())


def _median_ms(
    search: Callable[[torch.Tensor, Exclusion], object], queries: torch.Tensor, exclusion: Exclusion
) -> float:
    times = []
    for row in range(min(USERS_TIMED, len(queries))):
        started_at = time.perf_counter()
        search(queries[row : row + 1], exclusion.part(row, row + 1))
        times.append(time.perf_counter() - started_at)
    return 1000 * float(np.median(times))
