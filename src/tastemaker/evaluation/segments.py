"""For whom and for which items a model is good: the accuracy of parts of the users and items."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tastemaker.data.dataset import Dataset, pointers
from tastemaker.metrics.accuracy import ACCURACY
from tastemaker.shown import short_repr

NEW_USER_LENGTH = 5
"""A user of whom so few interactions or fewer are known counts as new."""

HEAD, MIDDLE = 0.05, 0.20
"""The most popular twentieth of the catalog is the head; the next up to a fifth the middle."""


@dataclass(frozen=True, eq=False)
class Segment:
    """The accuracy for some of the users, or for some of the held-out items."""

    by: str
    """What was divided: "history" or "popularity"."""
    name: str
    users: np.ndarray
    """(n,) int64 codes of the users who are in it, or have a held-out item in it."""
    per_user: dict[str, np.ndarray]
    """Metric name to (n,) float64, as in Evaluation."""

    __repr__ = short_repr

    @property
    def n_users(self) -> int:
        """How many users are in it."""
        return len(self.users)


def segments(
    users: np.ndarray,
    targets: np.ndarray,
    ranks: np.ndarray,
    known: Dataset,
    popularity: np.ndarray,
    k: Sequence[int],
) -> tuple[Segment, ...]:
    """Divides by how much is known of the user, and by how popular the held-out item is.

    Args:
        users: (n_targets,) int64 code of the user of each held-out item, ascending.
        targets: (n_targets,) int64 codes of the held-out items.
        ranks: (n_targets,) their ranks.
        known: what was known of the users when they were asked about.
        popularity: (n_items,) training interactions of each item.
        k: the lengths of list to judge.

    Returns:
        Those that anybody is in, in order.
    """
    by_user = {"history": _by_history(known.user_counts, np.unique(users))}
    masks = [
        (by, name, mask[users]) for by, named in by_user.items() for name, mask in named.items()
    ]
    masks += [("popularity", n, mask[targets]) for n, mask in _by_popularity(popularity).items()]
    return tuple(
        _segment(by, name, users[mask], ranks[mask], k) for by, name, mask in masks if mask.any()
    )


def _segment(by: str, name: str, users: np.ndarray, ranks: np.ndarray, k: Sequence[int]) -> Segment:
    codes, position = np.unique(users, return_inverse=True)
    return Segment(by, name, codes, accuracy(ranks, pointers(position, len(codes)), k))


def accuracy(ranks: np.ndarray, indptr: np.ndarray, k: Sequence[int]) -> dict[str, np.ndarray]:
    """Every accuracy metric at every length of list: name to (n_users,) float64."""
    return {
        f"{name}@{cut}": metric(ranks, indptr, cut)
        for cut in k
        for name, metric in ACCURACY.items()
    }


def _by_history(lengths: np.ndarray, asked: np.ndarray) -> dict[str, np.ndarray]:
    """Unseen users, and thirds of the others by the length of the history: (n_users,) masks."""
    rest = lengths[asked][lengths[asked] > NEW_USER_LENGTH]
    new = {f"new: up to {NEW_USER_LENGTH}": lengths <= NEW_USER_LENGTH}
    if len(rest) == 0:
        return new
    low, high = np.quantile(rest, [1 / 3, 2 / 3], method="lower")
    return new | {
        f"light: up to {low:,}": (lengths > NEW_USER_LENGTH) & (lengths <= low),
        f"regular: up to {high:,}": (lengths > low) & (lengths <= high),
        f"heavy: above {high:,}": lengths > max(high, NEW_USER_LENGTH),
    }


def _by_popularity(counts: np.ndarray) -> dict[str, np.ndarray]:
    """(n_items,) masks by place in the order of popularity."""
    place = np.empty(len(counts), dtype=np.int64)
    place[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    fraction = place / len(counts)
    return {
        f"head: top {HEAD:.0%}": fraction < HEAD,
        f"middle: to {MIDDLE:.0%}": (fraction >= HEAD) & (fraction < MIDDLE),
        "tail: the rest": fraction >= MIDDLE,
    }
