"""Metrics of recommended lists beyond accuracy: novelty, diversity, exposure of the long tail.

Lists are ragged: `items` are (m,) int64 codes, all users' lists concatenated, each best first, and
`indptr` are (n_users + 1,) int64 pointers to where each list begins. A list may be short or empty;
if it is too short for a metric to be defined, the value is NaN, to be left out of the mean.
"""

from collections.abc import Iterator

import numpy as np

NUMBERS_AT_ONCE = 1 << 20
"""Number of vector entries held in memory at a time (8 MiB)."""


def first(items: np.ndarray, indptr: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts every list to its first k items.

    Returns:
        (m',) int64 codes and (n_users + 1,) int64 pointers.
    """
    lengths = np.diff(indptr)
    position = np.arange(len(items)) - np.repeat(indptr[:-1], lengths)
    return items[position < k], np.concatenate([[0], np.cumsum(np.minimum(lengths, k))])


def novelty(items: np.ndarray, indptr: np.ndarray, counts: np.ndarray, n_users: int) -> np.ndarray:
    """Returns the mean of -log2 of the fraction of users who touched an item (Zhou et al. 2010).

    This is the mean self-information of a list. An item that no user touched counts as touched by
    one user, so that its novelty is the largest possible but finite.

    Args:
        items: (m,) int64 codes of all lists, concatenated.
        indptr: (n_users + 1,) pointers into items.
        counts: (n_items,) number of users who touched each item in training.
        n_users: number of users in training.

    Returns:
        (n_users,) float64 bits, from 0 to log2(n_users); NaN for an empty list.
    """
    information = np.log2(n_users) - np.log2(np.maximum(counts, 1))
    return _mean_by_list(information[items], indptr)


def average_popularity(items: np.ndarray, indptr: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns the mean number of training interactions of the listed items: ARP (Yin et al. 2012).

    Args:
        items: (m,) int64 codes of all lists, concatenated.
        indptr: (n_users + 1,) pointers into items.
        counts: (n_items,) training interactions of each item.

    Returns:
        (n_users,) float64; NaN for an empty list.
    """
    return _mean_by_list(counts[items], indptr)


def long_tail_fraction(items: np.ndarray, indptr: np.ndarray, is_tail: np.ndarray) -> np.ndarray:
    """Returns the fraction of a list from the long tail: APLT (Abdollahpouri et al. 2019).

    Args:
        items: (m,) int64 codes of all lists, concatenated.
        indptr: (n_users + 1,) pointers into items.
        is_tail: (n_items,) bool, as from `long_tail`.

    Returns:
        (n_users,) float64 from 0 to 1; NaN for an empty list.
    """
    return _mean_by_list(is_tail[items], indptr)


def intra_list_diversity(items: np.ndarray, indptr: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Returns the mean of 1 - cosine over the pairs of a list's items (Ziegler et al. 2005).

    The cosines of all pairs of n unit vectors sum to (|sum of them|^2 - n) / 2, so the pairs need
    not be enumerated. An item whose vector is zero has no known properties and is left out; to
    treat it as dissimilar to all others would reward lists of unknown items.

    Args:
        items: (m,) int64 codes of all lists, concatenated.
        indptr: (n_users + 1,) pointers into items.
        vectors: (n_items, d) category multi-hots or embeddings.

    Returns:
        (n_users,) float64 from 0 (all equal) through 1 (nothing in common) to 2 (opposite); NaN
        where fewer than two items have a vector.
    """
    norms = np.linalg.norm(vectors, axis=1)
    unit = np.ascontiguousarray((vectors / np.where(norms > 0, norms, 1.0)[:, None]).T)
    diversity = np.empty(len(indptr) - 1)
    for lists in _blocks(indptr, vectors.shape[1]):
        listed, pointers = _part(items, indptr, lists)
        n = _sum_by_list(norms[listed] > 0, pointers)
        similarity = (_sum_vectors(unit, listed, pointers) ** 2).sum(axis=0) - n
        diversity[lists] = 1.0 - _divide(similarity, n * (n - 1))
    # Rounding would give lists of equal items a diversity just below 0.
    return np.maximum(diversity, 0.0)


def miscalibration(
    items: np.ndarray,
    indptr: np.ndarray,
    histories: np.ndarray,
    history_indptr: np.ndarray,
    categories: np.ndarray,
    *,
    alpha: float = 0.01,
) -> np.ndarray:
    """Returns how far the categories of a list are from those of the user's history (Steck 2018).

    KL(p || q') = sum_g p(g) ln(p(g) / q'(g)) with q' = (1 - alpha) q + alpha p, where p and q are
    the mean category weights of history and list. Items without a category are left out of both.

    Args:
        items: (m,) int64 codes of all lists, concatenated.
        indptr: (n_users + 1,) pointers into items.
        histories: (h,) int64 codes of the same users' histories, concatenated.
        history_indptr: (n_users + 1,) pointers into histories.
        categories: (n_items, n_categories) weights; a row sums to 1, or to 0 if none is known.
        alpha: weight of p in q', which keeps the divergence finite.

    Returns:
        (n_users,) float64 from 0 (the same proportions) to -ln(alpha) (nothing in common); NaN
        where no item of the list, or none of the history, has a category.
    """
    divergence = np.empty(len(indptr) - 1)
    columns = np.ascontiguousarray(categories.T)
    # The sum of the pointers counts the entries of both ragged arrays together.
    for lists in _blocks(indptr + history_indptr, categories.shape[1]):
        history_proportions = _proportions(columns, *_part(histories, history_indptr, lists))
        list_proportions = _proportions(columns, *_part(items, indptr, lists))
        mixed = (1.0 - alpha) * list_proportions + alpha * history_proportions
        # 0 ln 0 is 0; a proportion that is NaN makes the sum NaN.
        ratio = np.divide(
            history_proportions, mixed, out=np.ones_like(mixed), where=history_proportions != 0
        )
        divergence[lists] = (history_proportions * np.log(ratio)).sum(axis=0)
    return np.maximum(divergence, 0.0)


def coverage(items: np.ndarray, n_items: int) -> float:
    """Returns the fraction of the catalog in any list (Ge, Delgado-Battenfeld and Jannach 2010).

    Args:
        items: (m,) int64 codes of all lists, concatenated.
        n_items: number of items in the catalog.
    """
    return np.count_nonzero(np.bincount(items, minlength=n_items)) / n_items


def gini(items: np.ndarray, n_items: int) -> float:
    """Returns the Gini index of how often items are listed: 0 if equally, 1 if only one item is.

    With p_j the fraction of all entries that item j has, in ascending order, it is the sum of
    (2 j - n - 1) p_j, divided by n - 1 (Shani and Gunawardana 2011, section 8.3.3.2). Items in no
    list are included.

    Args:
        items: (m,) int64 codes of all lists, concatenated.
        n_items: number of items in the catalog.

    Returns:
        From 0 to 1; NaN if nothing is listed.
    """
    if len(items) == 0:
        return float("nan")
    list_counts = np.sort(np.bincount(items, minlength=n_items))
    weights = 2.0 * np.arange(1, n_items + 1) - n_items - 1
    return float(weights @ list_counts) / (len(items) * max(n_items - 1, 1))


def long_tail(counts: np.ndarray, head_fraction: float = 0.2) -> np.ndarray:
    """Marks the items outside the most popular 20% of the catalog (Abdollahpouri et al. 2019).

    Args:
        counts: (n_items,) training interactions; of equally popular items the lower code is first.
        head_fraction: the fraction of the catalog that is the head, to the nearest whole item.

    Returns:
        (n_items,) bool.
    """
    is_tail = np.ones(len(counts), dtype=bool)
    by_popularity = np.argsort(-counts, kind="stable")
    is_tail[by_popularity[: round(head_fraction * len(counts))]] = False
    return is_tail


def tail_lift(fractions: np.ndarray, counts: np.ndarray, is_tail: np.ndarray) -> float:
    """Returns the tail's mean fraction of the lists over its fraction of training interactions.

    Below 1, the lists favour popular items more than the users do: they amplify popularity bias.

    Args:
        fractions: (n_users,) as from `long_tail_fraction`; NaN is left out.
        counts: (n_items,) training interactions of each item.
        is_tail: (n_items,) bool.

    Returns:
        0 or more; NaN if no list has an item or no training interaction is with the tail.
    """
    n_tail, known = counts[is_tail].sum(), fractions[~np.isnan(fractions)]
    if n_tail == 0 or len(known) == 0:
        return float("nan")
    return float(known.mean() * counts.sum() / n_tail)


def _sum_by_list(values: np.ndarray, indptr: np.ndarray) -> np.ndarray:
    owner = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    return np.bincount(owner, weights=values, minlength=len(indptr) - 1)


def _mean_by_list(values: np.ndarray, indptr: np.ndarray) -> np.ndarray:
    return _divide(_sum_by_list(values, indptr), np.diff(indptr))


def _divide(values: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    """Divides element by element; NaN where the divisor is 0."""
    return np.divide(values, divisor, out=np.full(values.shape, np.nan), where=divisor > 0)


def _proportions(columns: np.ndarray, items: np.ndarray, indptr: np.ndarray) -> np.ndarray:
    """Returns (n_categories, n) fractions of each list's categories; all NaN if none is known."""
    weights = _sum_vectors(columns, items, indptr)
    return _divide(weights, np.broadcast_to(weights.sum(axis=0), weights.shape))


def _sum_vectors(columns: np.ndarray, items: np.ndarray, indptr: np.ndarray) -> np.ndarray:
    """Returns (d, n) sums of the vectors of each list's items.

    Args:
        columns: (d, n_items) vectors as columns: adding along contiguous rows is several times
            faster than adding rows.
        items: (m,) codes.
        indptr: (n + 1,) pointers into items.
    """
    sums = np.zeros((len(columns), len(indptr) - 1))
    filled = np.diff(indptr) > 0  # reduceat does not support empty runs
    if filled.any():
        listed = np.take(columns, items, axis=1)
        starts = indptr[:-1][filled]
        sums[:, filled] = np.add.reduceat(listed, starts, axis=1, dtype=np.float64)
    return sums


def _blocks(indptr: np.ndarray, width: int) -> Iterator[slice]:
    """Yields slices of lists, at least one, whose entries, of `width` numbers, fit in memory."""
    size = indptr + np.arange(len(indptr))  # an empty list also takes up a row of the result
    start, budget = 0, max(1, NUMBERS_AT_ONCE // max(width, 1))
    while start < len(indptr) - 1:
        stop = int(np.searchsorted(size, size[start] + budget, side="right")) - 1
        stop = max(stop, start + 1)
        yield slice(start, stop)
        start = stop


def _part(items: np.ndarray, indptr: np.ndarray, lists: slice) -> tuple[np.ndarray, np.ndarray]:
    pointers = indptr[lists.start : lists.stop + 1]
    return items[pointers[0] : pointers[-1]], pointers - pointers[0]
