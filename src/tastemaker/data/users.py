"""UserBatch: the users of one request to a model, with their histories."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tastemaker.data.dataset import Dataset, take_runs
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.representation import short_repr


@dataclass(frozen=True, eq=False)
class UserBatch:
    """A batch of users, each given by code, by history, or by both.

    An unseen user, who is not in the training data, has the code UNKNOWN (-1) and only a history.
    """

    codes: np.ndarray
    """(n,) int64 user codes; UNKNOWN for an unseen user."""
    items: np.ndarray
    """(m,) int64 item codes of all histories, concatenated, each oldest first."""
    indptr: np.ndarray
    """(n + 1,) int64: user i's history is items[indptr[i]:indptr[i + 1]]."""
    timestamps: np.ndarray | None = None
    """(m,) int64 seconds since 1970 UTC of the items, or None if the times are unknown."""

    __repr__ = short_repr

    @classmethod
    def known(cls, dataset: Dataset, codes: np.ndarray) -> "UserBatch":
        """Returns the users with the given codes, with their histories in the data set."""
        codes = np.asarray(codes, dtype=np.int64)
        rows, indptr = take_runs(dataset.indptr, codes)
        times = None if dataset.timestamps is None else dataset.timestamps[rows]
        return cls(codes, dataset.items[rows].astype(np.int64), indptr, times)

    @classmethod
    def unseen_users(cls, histories: Sequence[Sequence[int] | np.ndarray]) -> "UserBatch":
        """Returns unseen users, given the item codes of each history, oldest first."""
        lengths = [len(history) for history in histories]
        empty = np.array([], dtype=np.int64)
        items = np.concatenate([empty, *(np.asarray(h, dtype=np.int64) for h in histories)])
        return cls(
            np.full(len(histories), UNKNOWN, dtype=np.int64),
            items,
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def lengths(self) -> np.ndarray:
        """(n,) int64 length of each history."""
        return np.diff(self.indptr)

    @property
    def rows(self) -> np.ndarray:
        """(m,) int64: for each entry of `items`, the position of its user in the batch."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def part(self, start: int, stop: int) -> "UserBatch":
        """Returns the users at the positions start … stop - 1, or up to the last user."""
        indptr = self.indptr[start : stop + 1]
        rows = slice(indptr[0], indptr[-1])
        times = None if self.timestamps is None else self.timestamps[rows]
        return UserBatch(self.codes[start:stop], self.items[rows], indptr - indptr[0], times)

    def at(self, positions: np.ndarray) -> "UserBatch":
        """Returns the users at the positions (or where a boolean mask is true), in that order."""
        positions = np.arange(len(self))[positions]
        rows, indptr = take_runs(self.indptr, positions)
        times = None if self.timestamps is None else self.timestamps[rows]
        return UserBatch(self.codes[positions], self.items[rows], indptr, times)
