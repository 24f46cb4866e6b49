"""Ties in time: events of a user in the same second, which stay in the order of the file."""

from dataclasses import dataclass

import numpy as np

from tastemaker.data.blocks import in_threads, user_blocks
from tastemaker.data.dataset import Dataset
from tastemaker.representation import short_repr

TELLING_TIES = 100
"""From this number of ties on, a common direction of their item ids is not due to chance."""

NEARLY_ALWAYS = 0.95
"""The fraction of ties from which on their item ids count as being in order."""

NOTABLE = 0.005
"""The fraction of pairs from which on their ties are worth a warning."""


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
        if n_different >= TELLING_TIES and self.fraction >= NOTABLE:
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
        f"{ties.n_tied:,} of {ties.n_pairs:,} pairs of consecutive events of a user are in the "
        f"same second, and their item ids {ties.direction}: sequence models can learn this order "
        "of the file, which can inflate their results; shuffle the rows before they are read",
    )
