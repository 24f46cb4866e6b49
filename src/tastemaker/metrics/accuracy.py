"""How far up the held-out items stand, one value for each user.

Every function takes the ranks of all users' held-out items end to end and pointers to where each
user's begin, and answers for each user. A rank counts from 1; a relevant item is a held-out one.
"""

from collections.abc import Callable

import numpy as np

Metric = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def hit_rate(ranks: np.ndarray, indptr: np.ndarray, k: int) -> np.ndarray:
    """1 where any relevant item is among the first k, else 0.

    Args:
        ranks: (n_targets,) int64, from 1.
        indptr: (n_users + 1,) pointers into ranks; every user has at least one target.
        k: the length of the list.

    Returns:
        (n_users,) float64.
    """
    return np.minimum(_sum_by_user(ranks <= k, indptr), 1.0)


def recall(ranks: np.ndarray, indptr: np.ndarray, k: int) -> np.ndarray:
    """The fraction of a user's relevant items that are among the first k. As for `hit_rate`."""
    return _sum_by_user(ranks <= k, indptr) / np.diff(indptr)


def precision(ranks: np.ndarray, indptr: np.ndarray, k: int) -> np.ndarray:
    """The fraction of the first k that is relevant. As for `hit_rate`."""
    return _sum_by_user(ranks <= k, indptr) / k


def ndcg(ranks: np.ndarray, indptr: np.ndarray, k: int) -> np.ndarray:
    """Discounted cumulative gain over that of the best order (Järvelin and Kekäläinen 2002).

    Relevance is 0 or 1 and the discount of rank r is 1 / log2(r + 1). As for `hit_rate`.
    """
    gains = np.where(ranks <= k, 1.0 / np.log2(ranks + 1.0), 0.0)
    best = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(1, k + 1) + 1.0))])
    return _sum_by_user(gains, indptr) / best[np.minimum(np.diff(indptr), k)]


def mrr(ranks: np.ndarray, indptr: np.ndarray, k: int) -> np.ndarray:
    """One over the rank of the first relevant item, 0 beyond k. As for `hit_rate`."""
    first = np.minimum.reduceat(ranks, indptr[:-1])
    return np.where(first <= k, 1.0 / first, 0.0)


def average_precision(ranks: np.ndarray, indptr: np.ndarray, k: int) -> np.ndarray:
    """The precision at each relevant rank up to k, summed, over min(relevant items, k).

    Its mean over the users is the MAP at k (Manning, Raghavan and Schütze 2008, section 8.4). Some
    libraries divide by the relevant items even where k is shorter, so that no list could reach 1.
    As for `hit_rate`; a user's ranks are distinct and may stand in any order.
    """
    n_relevant = np.diff(indptr)
    owner = np.repeat(np.arange(len(n_relevant)), n_relevant)
    ascending = ranks[np.lexsort((ranks, owner))]
    found = np.arange(1, len(ranks) + 1) - indptr[owner]
    precisions = np.where(ascending <= k, found / ascending, 0.0)
    return _sum_by_user(precisions, indptr) / np.minimum(n_relevant, k)


ACCURACY: dict[str, Metric] = {
    "hit_rate": hit_rate,
    "ndcg": ndcg,
    "mrr": mrr,
    "map": average_precision,
    "recall": recall,
    "precision": precision,
}
"""Metrics by the name under which results are stored, `name@k`."""


def _sum_by_user(values: np.ndarray, indptr: np.ndarray) -> np.ndarray:
    return np.add.reduceat(values.astype(np.float64), indptr[:-1])
