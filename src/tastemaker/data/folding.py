"""Folding: the rows of a (user, item) pair that a log repeats become one row.

A split is made on the whole log, and each of its parts is folded on its own. Folded before it is
split, a log would give up the earlier row of a pair because of what happened after the cut, and the
training data would show by their gaps what is asked about.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from tastemaker.data.ordering import Duplicates, first_or_latest

DuplicateWeights = Literal["kept", "sum", "max"]


@dataclass(frozen=True)
class Folding:
    """The rule by which the repeated rows of a pair become one."""

    keep: Duplicates = "latest"
    """Whose time, rating and position in the history the pair has."""
    weights: DuplicateWeights = "kept"
    """The weight of the pair: that of the kept row, or the sum or the largest of its rows."""
    min_rating: float | None = None
    """The pair is left out where the kept rating is lower, or missing."""

    def describe(self, *, weighted: bool) -> str:
        """What happens to the rows of a pair, for a note."""
        described = f"each part of a split keeps the {self.keep} row of a pair"
        if weighted:
            described += {
                "kept": ' with its own weight (duplicate_weights="sum" or "max" combines them)',
                "sum": " with the sum of the weights",
                "max": " with the largest of the weights",
            }[self.weights]
        if self.min_rating is not None:
            described += f", and leaves the pair out if that is rated below {self.min_rating:g}"
        return described


def pair_keys(users: np.ndarray, items: np.ndarray, n_items: int) -> np.ndarray:
    """(n,) int64: one number for each (user, item) pair."""
    return users.astype(np.int64) * n_items + items


def combined_weights(
    pairs: np.ndarray, weights: np.ndarray, kept: np.ndarray, how: DuplicateWeights
) -> np.ndarray:
    """The weights of the kept rows.

    Args:
        pairs: (n,) int64, as `pair_keys`.
        weights: (n,) float32.
        kept: (n,) bool: one row of each pair.
        how: which weight a pair has.

    Returns:
        (n_kept,) float32, in the order of the rows.
    """
    if how == "kept":
        return weights[kept]
    _, place = np.unique(pairs, return_inverse=True)
    if how == "sum":
        combined = np.bincount(place, weights=weights)
    else:
        combined = np.zeros(place.max(initial=-1) + 1)
        np.maximum.at(combined, place, weights)
    return combined[place[kept]].astype(np.float32)


def first_rows(
    users: np.ndarray, items: np.ndarray, ratings: np.ndarray | None, rule: Folding
) -> np.ndarray:
    """Marks the row by which each pair came into the log as it ends.

    With a minimum rating that is the row since which the rating that folding keeps has been high
    enough; a pair that is not rated so high in the end has none. Everything before that row is then
    folded without the pair, and everything up to it and beyond with it.

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
    since = rows.filter(disliked_last.is_null() | (pl.col("row") > disliked_last))
    came = np.zeros(len(users), dtype=bool)
    came[since.filter(pl.col("pair").is_first_distinct())["row"].to_numpy()] = True
    return came
