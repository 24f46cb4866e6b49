"""Accuracy metrics: how high the held-out items are ranked, one value for each user.

Every function takes the concatenated ranks of all users' held-out items and pointers to where each
user's ranks begin, and returns one value for each user. Ranks count from 1; the relevant items are
the held-out ones.
"""

from collections.abc import Callable

import numpy as np

Metric = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def hit_rate(ranks: np.ndarray, indptr: np.ndarray, k: int) -> np.ndarray:
    """Returns for each user 1 if any relevant item is among the first k, else 0.

    Args:
        ranks: (n_targets,) int64, from 1.
        indptr: (n_users + 1,) pointers into ranks; every user has at least one target.
        k: the length of the list.

    Returns:
        (n_users,) float64.
    """
    return np.minimum(_sum_by_user(ranks <= k, indptr), 1.0)


def recall(ranks: np.ndarray, indptr: np.ndarray, k: int) -> np.ndarray:
    """Returns the fraction of relevant items among the first k; arguments as for `hit_rate`."""
    return _sum_by_user(ranks <= k, indptr) / np.diff(indptr)


def precision(ranks: np.ndarray, indptr: np.ndarray, k: int) -> np.ndarray:
    """Returns the fraction of the first k that is relevant; arguments as for `hit_rate`."""
    return _sum_by_user(ranks <= k, indptr) / k


def ndcg(ranks: np.ndarray, indptr: np.ndarray, k: int) -> np.ndarray:
    """Returns the normalized discounted cumulative gain (Järvelin and Kekäläinen 2002).

    This is the discounted cumulative gain divided by that of the best order. Relevance is 0 or 1,
    and the discount of rank r is 1 / log2(r + 1). Arguments as for `hit_rate`.
    """
    gains = np.where(ranks <= k, 1.0 / np.log2(ranks + 1.0), 0.0)
    best = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(1, k + 1) + 1.0))])
    return _sum_by_user(gains, indptr) / best[np.minimum(np.diff(indptr), k)]


def mrr(ranks: np.ndarray, indptr: np.ndarray, k: int) -> np.ndarray:
    """Returns 1 / rank of the first relevant item, 0 beyond k; arguments as for `hit_rate`."""
    first = np.minimum.reduceat(ranks, indptr[:-1])
    return np.where(first <= k, 1.0 / first, 0.0)


def average_precision(ranks: np.ndarray, indptr: np.ndarray, k: int) -> np.ndarray:
    """Returns the sum of precisions at the relevant ranks up to k over min(relevant items, k).

    Its mean over the users is the MAP at k (Manning, Raghavan and Schütze 2008, section 8.4). Some
    libraries divide by the number of relevant items even if k is smaller, so that no list can reach
    1. Arguments as for `hit_rate`; a user's ranks are distinct and may be in any order.
    """
    n_relevant = np.diff(indptr)
    owner = np.repeat(np.arange(len(n_relevant)), n_relevant)
    has_several = len(ranks) > len(n_relevant)
    ascending = ranks[np.lexsort((ranks, owner))] if has_several else ranks
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
