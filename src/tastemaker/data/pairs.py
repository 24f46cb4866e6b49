"""Pairs of users and items, such as the items that users have rejected."""

from dataclasses import dataclass

import numpy as np

from tastemaker.representation import short_repr


@dataclass(frozen=True, eq=False)
class Pairs:
    """(user, item) pairs, sorted by user. Immutable."""

    users: np.ndarray
    """(n,) int32 codes, ascending."""
    items: np.ndarray
    """(n,) int32 codes."""

    __repr__ = short_repr

    @classmethod
    def of(cls, users: np.ndarray, items: np.ndarray) -> "Pairs":
        """Returns pairs given in any order."""
        order = np.argsort(users, kind="stable")
        return cls(users[order].astype(np.int32), items[order].astype(np.int32))

    def __len__(self) -> int:
        return len(self.users)

    def rows(self, keep: np.ndarray | slice) -> "Pairs":
        """Returns the pairs in `keep`, a boolean mask, ascending positions or a slice."""
        return Pairs(self.users[keep], self.items[keep])

    def in_range(self, users: range) -> "Pairs":
        """Returns the pairs of a range of users, without a copy."""
        return self.rows(run_of(self.users, users))

    def of_users(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the concatenated items of users, (m,) int64, and (n + 1,) int64 row pointers.

        Args:
            codes: (n,) int64 codes; those that have no pair, -1 included, have no items.
        """
        starts, ends = (np.searchsorted(self.users, codes, side) for side in ("left", "right"))
        counts = ends - starts
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = np.arange(indptr[-1]) + np.repeat(starts - indptr[:-1], counts)
        return self.items[rows].astype(np.int64), indptr


def run_of(sorted_codes: np.ndarray, codes: range) -> slice:
    """Returns the positions of a range of codes in ascending codes."""
    # In the type of the array, since NumPy would otherwise convert the whole array.
    bounds = np.array([codes.start, codes.stop], dtype=sorted_codes.dtype)
    return slice(*np.searchsorted(sorted_codes, bounds))
