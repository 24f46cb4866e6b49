"""Folding: merges the repeated rows of a (user, item) pair in a log into one row.

The whole log is split first, and each part is then folded on its own. Folding before the split
would drop the earlier row of a pair because of a row after the cut, and the gaps in the training
data would reveal the held-out pairs.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from tastemaker.data.ordering import Duplicates, first_or_latest

DuplicateWeights = Literal["kept", "sum", "max"]


@dataclass(frozen=True)
class Folding:
    """The rule by which the repeated rows of a pair are merged into one."""

    keep: Duplicates = "latest"
    """The row that gives the pair its time, rating and position in the history."""
    weights: DuplicateWeights = "kept"
    """The weight of the pair: that of the kept row, or the sum or the maximum over its rows."""
    min_rating: float | None = None
    """The pair is left out if the kept rating is lower than this, or missing."""

    def describe(self, *, weighted: bool) -> str:
        """Describes how the rows of a pair are merged, for a note."""
        described = f"each part of a split keeps the {self.keep} row of a pair"
        if weighted:
            described += {
                "kept": ' with its own weight (duplicate_weights="sum" or "max" combines them)',
                "sum": " with the sum of the weights",
                "max": " with the largest of the weights",
            }[self.weights]
        if self.min_rating is not None:
            described += f", and leaves out the pair if this row is rated below {self.min_rating:g}"
        return described


def pair_keys(users: np.ndarray, items: np.ndarray, n_items: int) -> np.ndarray:
    """Returns (n,) int64: a unique number for each (user, item) pair."""
    return users.astype(np.int64) * n_items + items


def combined_weights(
    pairs: np.ndarray, weights: np.ndarray, kept: np.ndarray, how: DuplicateWeights
) -> np.ndarray:
    """Computes the weights of the kept rows.

    Args:
        pairs: (n,) int64, as from `pair_keys`.
        weights: (n,) float32.
        kept: (n,) bool; marks one row of each pair.
        how: how the weights of a pair are combined.

    Returns:
        (n_kept,) float32, in the order of the rows.
    """
    if how == "kept":
        return weights[kept]
    _, pair_index = np.unique(pairs, return_inverse=True)
    if how == "sum":
        combined = np.bincount(pair_index, weights=weights)
    else:
        combined = np.zeros(pair_index.max(initial=-1) + 1)
        np.maximum.at(combined, pair_index, weights)
    return combined[pair_index[kept]].astype(np.float32)


def first_rows(
    users: np.ndarray, items: np.ndarray, ratings: np.ndarray | None, rule: Folding
) -> np.ndarray:
    """Marks the row that introduced each pair of the folded log.

    With a minimum rating, this is the row from which on the rating that folding keeps is high
    enough; a pair whose last such rating is too low has no such row. Folding all rows before the
    marked row leaves the pair out; folding the rows up to it, or to any later row, includes it.

    Args:
        users: (n,) int32 codes, ascending, each user's rows in the order of time.
        items: (n,) int32 codes.
        ratings: (n,) float32, or None; needed for a minimum rating.
        rule: how the log is folded.

    Returns:
        (n,) bool.
    """
    first = first_or_latest(users, items, "first")
    if rule.min_rating is None or ratings is None:
        return first
    liked = ratings >= rule.min_rating
    if rule.keep == "first":
        return first & liked
    rows = pl.DataFrame(
        {"pair": pair_keys(users, items, int(items.max(initial=0)) + 1), "liked": liked}
    ).with_row_index("row")
    disliked_last = pl.col("row").filter(~pl.col("liked")).max().over("pair")
    after_dislike = rows.filter(disliked_last.is_null() | (pl.col("row") > disliked_last))
    is_first = np.zeros(len(users), dtype=bool)
    is_first[after_dislike.filter(pl.col("pair").is_first_distinct())["row"].to_numpy()] = True
    return is_first
