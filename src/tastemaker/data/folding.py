"""Folding: turns the rows of a log into training data.

Negative events are taken out with the rows that they cancel, and the repeated rows of a (user,
item) pair are merged into one. The whole log is split first, and each part is then folded on its
own. Folding before the split would drop the earlier row of a pair because of a row after the cut,
and the gaps in the training data would reveal the held-out pairs.
"""

import numpy as np
import polars as pl

from tastemaker.data.event_kinds import EventKinds
from tastemaker.data.log_rules import LogRules, Repeats
from tastemaker.data.ordering import first_or_latest


def pair_keys(users: np.ndarray, items: np.ndarray, n_items: int) -> np.ndarray:
    """Returns (n,) int64: a unique number for each (user, item) pair."""
    return users.astype(np.int64) * n_items + items


def cancelled_rows(
    users: np.ndarray, items: np.ndarray, kinds: np.ndarray, meaning: EventKinds
) -> tuple[np.ndarray, np.ndarray]:
    """Marks the rows that a negative event cancels: itself, and the earlier rows of its pair.

    Args:
        users: (n,) int32 codes, ascending, each user's rows in the order of time.
        items: (n,) int32 codes.
        kinds: (n,) int8 codes.
        meaning: the kinds.

    Returns:
        (n,) bool, the cancelled rows; and (n,) bool, the latest row of each pair that has no other
        row left: the user has rejected the item.
    """
    is_no = meaning.is_negative[kinds]
    if not is_no.any():
        return is_no, is_no
    rows = pl.DataFrame(
        {"pair": pair_keys(users, items, int(items.max(initial=0)) + 1), "is_no": is_no}
    ).with_row_index("row")
    last_no = pl.col("row").filter("is_no").max().over("pair")
    cancelled = rows.select((pl.col("row") <= last_no).fill_null(value=False)).to_series()
    latest = first_or_latest(users, items, "latest")
    return cancelled.to_numpy(), is_no & latest


def merged_rows(users: np.ndarray, items: np.ndarray, repeats: Repeats) -> np.ndarray:
    """Returns (n,) bool: marks the row of each pair that gives its time, rating and position."""
    return first_or_latest(users, items, "first" if repeats == "first" else "latest")


def merged_weights(
    pairs: np.ndarray, weights: np.ndarray | None, kept: np.ndarray, repeats: Repeats
) -> np.ndarray | None:
    """Computes the weights of the kept rows.

    Args:
        pairs: (n,) int64, as from `pair_keys`.
        weights: (n,) float32, or None for 1 each.
        kept: (n,) bool; marks one row of each pair.
        repeats: how the weights of a pair are merged.

    Returns:
        (n_kept,) float32 in the order of the rows, or None for 1 each.
    """
    if repeats in ("first", "latest") or (repeats == "max" and weights is None):
        return None if weights is None else weights[kept]
    if repeats == "count":
        weights = None
    _, pair_index = np.unique(pairs, return_inverse=True)
    if repeats == "max" and weights is not None:
        merged = np.zeros(pair_index.max(initial=-1) + 1)
        np.maximum.at(merged, pair_index, weights)
    else:
        merged = np.bincount(pair_index, weights=weights)
    return merged[pair_index[kept]].astype(np.float32)


def merged_kinds(
    pairs: np.ndarray, kinds: np.ndarray, kept: np.ndarray, meaning: EventKinds
) -> np.ndarray:
    """Returns the kind of each kept row: the target kind of its pair, or else the heaviest one.

    Args:
        pairs: (n,) int64, as from `pair_keys`.
        kinds: (n,) int8 codes.
        kept: (n,) bool; marks one row of each pair.
        meaning: the kinds.

    Returns:
        (n_kept,) int8 codes in the order of the rows.
    """
    in_order = np.lexsort((meaning.weight_of_code, meaning.is_target)).astype(np.int8)
    rank_of_kind = np.argsort(in_order).astype(np.int8)
    _, pair_index = np.unique(pairs, return_inverse=True)
    highest = np.full(pair_index.max(initial=-1) + 1, -1, dtype=np.int8)
    np.maximum.at(highest, pair_index, rank_of_kind[kinds])
    return in_order[highest[pair_index[kept]]]


def first_rows(
    users: np.ndarray, items: np.ndarray, ratings: np.ndarray | None, rules: LogRules
) -> np.ndarray:
    """Marks the row that introduced each pair of the folded log.

    With a minimum rating, this is the row from which on the rating that folding keeps is high
    enough; a pair whose final rating is too low has no such row. Folding all rows before the
    marked row leaves the pair out; folding the rows up to it, or to any later row, includes it.

    Args:
        users: (n,) int32 codes, ascending, each user's rows in the order of time.
        items: (n,) int32 codes.
        ratings: (n,) float32, or None; needed for a minimum rating.
        rules: how the log is folded.

    Returns:
        (n,) bool.
    """
    first = first_or_latest(users, items, "first")
    if rules.min_rating is None or ratings is None:
        return first
    liked = ratings >= rules.min_rating
    if rules.repeats == "first":
        return first & liked
    rows = pl.DataFrame(
        {"pair": pair_keys(users, items, int(items.max(initial=0)) + 1), "liked": liked}
    ).with_row_index("row")
    if rules.repeats == "keep":
        counted = rows.filter("liked")
    else:
        disliked_last = pl.col("row").filter(~pl.col("liked")).max().over("pair")
        counted = rows.filter(disliked_last.is_null() | (pl.col("row") > disliked_last))
    is_first = np.zeros(len(users), dtype=bool)
    is_first[counted.filter(pl.col("pair").is_first_distinct())["row"].to_numpy()] = True
    return is_first
