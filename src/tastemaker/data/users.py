"""UserBatch: the users of one request to a model, with their histories."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tastemaker.data.dataset import Dataset, take_runs
from tastemaker.data.pairs import Pairs
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

    weights: np.ndarray | None = None
    """(m,) float32 weights of the interactions with the items, above 0, or None for 1 each."""
    kinds: np.ndarray | None = None
    """(m,) int8 kinds of the events, codes of the kinds of the training data, or None."""
    seen: "UserBatch | None" = None
    """The same users with the items that their lists do not repeat, if these are not all items of
    the histories."""
    rejected: "UserBatch | None" = None
    """The same users with the items to which they said no, if there are any."""
    features: Sequence[Mapping[str, Any] | None] | None = None
    """Features of the n users by name, where they are not those of the table of users; None for a
    user whose features are in the table or unknown."""

    __repr__ = short_repr

    @classmethod
    def known(cls, dataset: Dataset, codes: np.ndarray) -> "UserBatch":
        """Returns the users with the given codes, with their histories in the data set."""
        codes = np.asarray(codes, dtype=np.int64)
        rows, indptr = take_runs(dataset.indptr, codes)
        seen, rejected = dataset.of_targets, dataset.rejected
        return cls(
            codes,
            dataset.items[rows].astype(np.int64),
            indptr,
            _at(dataset.timestamps, rows),
            _at(dataset.weights, rows),
            _at(dataset.kinds, rows),
            None if seen is dataset else cls(codes, *seen.histories(codes)),
            None if rejected is None else cls(codes, *rejected.of_users(codes)),
        )

    @classmethod
    def known_range(cls, dataset: Dataset, users: range) -> "UserBatch":
        """Returns a range of users, as `known`, given a data set with rows of these users alone.

        The time that this takes does not depend on the number of users in the vocabulary.
        """
        codes = np.arange(users.start, users.stop)

        def items_of(rows: Dataset | Pairs) -> tuple[np.ndarray, np.ndarray]:
            # In the type of the array, since NumPy would otherwise convert the whole array.
            bounds = np.arange(users.start, users.stop + 1, dtype=rows.users.dtype)
            return rows.items.astype(np.int64), np.searchsorted(rows.users, bounds)

        seen, rejected = dataset.of_targets, dataset.rejected
        return cls(
            codes,
            *items_of(dataset),
            _copied(dataset.timestamps),
            _copied(dataset.weights),
            _copied(dataset.kinds),
            None if seen is dataset else cls(codes, *items_of(seen)),
            None if rejected is None else cls(codes, *items_of(rejected)),
        )

    @classmethod
    def unseen_users(
        cls,
        histories: Sequence[Sequence[int] | np.ndarray],
        features: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> "UserBatch":
        """Returns unseen users, given the item codes of each history, oldest first.

        Args:
            histories: the item codes of each user.
            features: the features of each user by name, if any are known.
        """
        lengths = [len(history) for history in histories]
        empty = np.array([], dtype=np.int64)
        items = np.concatenate([empty, *(np.asarray(h, dtype=np.int64) for h in histories)])
        return cls(
            np.full(len(histories), UNKNOWN, dtype=np.int64),
            items,
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            features=features,
        )

    def __len__(self) -> int:
        return len(self.codes)

    def batches(self) -> "Iterator[UserBatch]":
        """Yields the batch itself; a `UserRange` yields several."""
        yield self

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
        features = None if self.features is None else self.features[start:stop]
        return self._selected(
            self.codes[start:stop], rows, indptr - indptr[0], features,
            lambda batch: batch.part(start, stop),
        )  # fmt: skip

    def at(self, positions: np.ndarray) -> "UserBatch":
        """Returns the users at the positions (or where a boolean mask is true), in that order."""
        positions = np.arange(len(self))[positions]
        rows, indptr = take_runs(self.indptr, positions)
        features = self.features
        return self._selected(
            self.codes[positions], rows, indptr,
            None if features is None else [features[position] for position in positions],
            lambda batch: batch.at(positions),
        )  # fmt: skip

    def merged(self) -> "UserBatch":
        """Returns the same users with each item once, at its latest place, with summed weights."""
        n_items = int(self.items.max(initial=0)) + 1
        keys = self.rows * n_items + self.items
        _, pair_index = np.unique(keys, return_inverse=True)
        latest = np.zeros(len(keys), dtype=np.int64)
        latest[pair_index] = np.arange(len(keys))
        kept = latest[pair_index] == np.arange(len(keys))
        weights = np.bincount(pair_index, weights=self.weights)[pair_index[kept]]
        return replace(self.keeping(kept), weights=weights.astype(np.float32))

    def keeping(self, kept: np.ndarray) -> "UserBatch":
        """Returns the same users with some of the items of their histories, given as (m,) bool."""
        return replace(
            self,
            items=self.items[kept],
            indptr=np.concatenate([[0], np.cumsum(kept)])[self.indptr],
            timestamps=_at(self.timestamps, kept),
            weights=_at(self.weights, kept),
            kinds=_at(self.kinds, kept),
        )

    def excluded(self, *, seen: bool) -> "UserBatch":
        """Returns the same users with the items that may not be recommended to them.

        Args:
            seen: whether these include the items that the user has touched; rejected items are
                always among them.
        """
        nothing = UserBatch(self.codes, self.items[:0], np.zeros_like(self.indptr))
        touched = (self.seen or self) if seen else nothing
        return touched if self.rejected is None else _united(touched, self.rejected)

    def _selected(
        self,
        codes: np.ndarray,
        rows: slice | np.ndarray,
        indptr: np.ndarray,
        features: Sequence[Mapping[str, Any] | None] | None,
        of: Callable[["UserBatch"], "UserBatch"],
    ) -> "UserBatch":
        """Returns some of the users, given how to select them from a batch."""
        return UserBatch(
            codes,
            self.items[rows],
            indptr,
            _at(self.timestamps, rows),
            _at(self.weights, rows),
            _at(self.kinds, rows),
            None if self.seen is None else of(self.seen),
            None if self.rejected is None else of(self.rejected),
            features,
        )


def _at(column: np.ndarray | None, rows: slice | np.ndarray) -> np.ndarray | None:
    return None if column is None else column[rows]


def _copied(column: np.ndarray | None) -> np.ndarray | None:
    return None if column is None else column.copy()


def _united(first: UserBatch, second: UserBatch) -> UserBatch:
    """Returns the users of two batches of the same users, with the items of both."""
    rows = np.concatenate([first.rows, second.rows])
    order = np.argsort(rows, kind="stable")
    items = np.concatenate([first.items, second.items])[order]
    return UserBatch(first.codes, items, first.indptr + second.indptr)
