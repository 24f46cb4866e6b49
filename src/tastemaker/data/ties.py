"""Ties in time: events of a user in the same second, which stay in the order of the file."""

from dataclasses import dataclass

import numpy as np

from tastemaker.data.blocks import in_threads, user_blocks
from tastemaker.data.dataset import Dataset
from tastemaker.representation import short_repr

TELLING_TIES = 100
"""From this number of ties on, the direction of their item ids is no chance."""

NEARLY_ALWAYS = 0.95


@dataclass(frozen=True)
class Ties:
    """Among the pairs of consecutive events of a user, those in the same second."""

    n_pairs: int
    n_tied: int
    n_ascending: int
    """Tied pairs in which the second item has the higher id."""
    n_descending: int

    __repr__ = short_repr

    @property
    def fraction(self) -> float:
        """Fraction of the pairs that are tied; 0 without pairs."""
        return self.n_tied / max(self.n_pairs, 1)

    @property
    def direction(self) -> str | None:
        """What the item ids of ties nearly always do: "ascend", "descend", or neither (None)."""
        n_different = self.n_ascending + self.n_descending
        if n_different >= TELLING_TIES:
            for verb, n in (("ascend", self.n_ascending), ("descend", self.n_descending)):
                if n >= NEARLY_ALWAYS * n_different:
                    return verb
        return None


def count_ties(log: Dataset) -> Ties | None:
    """Counts the ties of a log; None if it has no times, or times that are only an order."""
    if log.timestamps is None or log.time_unit == "order":
        return None
    users, items, times = log.users, log.items, log.timestamps

    def count(block: slice) -> np.ndarray:
        same_user = users[block][1:] == users[block][:-1]
        tied = same_user & (times[block][1:] == times[block][:-1])
        step = items[block][1:] - items[block][:-1]
        counted = same_user, tied, tied & (step > 0), tied & (step < 0)
        return np.array([np.count_nonzero(mask) for mask in counted])

    counts = in_threads(count, user_blocks(users), len(users))
    return Ties(*np.sum(counts, axis=0, initial=0).tolist()) if counts else Ties(0, 0, 0, 0)


def notes_of_ties(ties: Ties | None) -> tuple[str, ...]:
    """Returns a warning if the order of tied events follows their item ids."""
    if ties is None or ties.direction is None:
        return ()
    return (
        f"{ties.fraction:.0%} of the events are in the same second as the user's event before, and "
        f"there the item ids {ties.direction}: models of sequences can learn this order of the "
        "file, which inflates their results; shuffle the rows of the file before it is read",
    )
