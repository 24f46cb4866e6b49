"""The accuracy of a model for subsets of the users and of the held-out items."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tastemaker.data.dataset import Dataset, pointers
from tastemaker.metrics.accuracy import ACCURACY
from tastemaker.representation import short_repr

NEW_USER_LENGTH = 5
"""A user with at most this number of known interactions counts as new."""

HEAD, MIDDLE = 0.05, 0.20
"""The most popular 5% of the catalog are the head; the following items up to 20% the middle."""


@dataclass(frozen=True, eq=False)
class Segment:
    """The accuracy for some of the users, or for some of the held-out items."""

    by: str
    """The criterion: "history" (of the user) or "popularity" (of the item)."""
    name: str
    users: np.ndarray
    """(n,) int64 codes of the users in the segment, or with a held-out item in it."""
    per_user: dict[str, np.ndarray]
    """Metric name to (n,) float64, as in Evaluation."""

    __repr__ = short_repr

    @property
    def n_users(self) -> int:
        """Number of users in the segment."""
        return len(self.users)


def segments(
    users: np.ndarray,
    targets: np.ndarray,
    ranks: np.ndarray,
    known: Dataset,
    popularity: np.ndarray,
    k: Sequence[int],
) -> tuple[Segment, ...]:
    """Computes the accuracy by length of the user's history and by popularity of the held-out item.

    Args:
        users: (n_targets,) int64 code of the user of each held-out item, ascending.
        targets: (n_targets,) int64 codes of the held-out items.
        ranks: (n_targets,) ranks of the held-out items.
        known: the known interactions of the users when the items were ranked.
        popularity: (n_items,) number of training interactions of each item.
        k: the list lengths to evaluate.

    Returns:
        The segments that are not empty, in order.
    """
    by_user = {"history": _by_history(known.user_counts, np.unique(users))}
    masks = [
        (by, name, mask[users])
        for by, masks_by_name in by_user.items()
        for name, mask in masks_by_name.items()
    ]
    masks += [("popularity", n, mask[targets]) for n, mask in _by_popularity(popularity).items()]
    return tuple(
        _segment(by, name, users[mask], ranks[mask], k) for by, name, mask in masks if mask.any()
    )


def _segment(by: str, name: str, users: np.ndarray, ranks: np.ndarray, k: Sequence[int]) -> Segment:
    codes, position = np.unique(users, return_inverse=True)
    return Segment(by, name, codes, accuracy(ranks, pointers(position, len(codes)), k))


def accuracy(ranks: np.ndarray, indptr: np.ndarray, k: Sequence[int]) -> dict[str, np.ndarray]:
    """Returns every accuracy metric at every list length: name to (n_users,) float64."""
    return {
        f"{name}@{cut}": metric(ranks, indptr, cut)
        for cut in k
        for name, metric in ACCURACY.items()
    }


def _by_history(lengths: np.ndarray, evaluated_users: np.ndarray) -> dict[str, np.ndarray]:
    """Returns (n_users,) masks: new users, and thirds of the others by length of the history."""
    other_lengths = lengths[evaluated_users][lengths[evaluated_users] > NEW_USER_LENGTH]
    new = {f"new: up to {NEW_USER_LENGTH}": lengths <= NEW_USER_LENGTH}
    if len(other_lengths) == 0:
        return new
    low, high = np.quantile(other_lengths, [1 / 3, 2 / 3], method="lower")
    return new | {
        f"light: up to {low:,}": (lengths > NEW_USER_LENGTH) & (lengths <= low),
        f"regular: up to {high:,}": (lengths > low) & (lengths <= high),
        f"heavy: above {high:,}": lengths > max(high, NEW_USER_LENGTH),
    }


def _by_popularity(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Returns (n_items,) masks by position in the order of popularity."""
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    fraction = rank / len(counts)
    return {
        f"head: top {HEAD:.0%}": fraction < HEAD,
        f"middle: to {MIDDLE:.0%}": (fraction >= HEAD) & (fraction < MIDDLE),
        "tail: the rest": fraction >= MIDDLE,
    }
