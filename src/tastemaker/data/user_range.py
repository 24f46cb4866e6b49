"""UserRange: known users in the order of their codes, whose histories are read in batches."""

from collections.abc import Iterator
from dataclasses import dataclass

from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.representation import short_repr

USERS_AT_ONCE = 2**14
"""Number of users whose histories are in memory at a time."""


@dataclass(frozen=True, eq=False)
class UserRange:
    """A range of the users of a split, with their histories in all its parts.

    A `UserBatch` of all users would hold a second copy of all interactions.
    """

    split: Split
    codes: range
    """Consecutive user codes, ascending."""

    __repr__ = short_repr

    @classmethod
    def whole(cls, split: Split) -> "UserRange":
        """Returns all users of a split."""
        return cls(split, range(split.train.n_users))

    def __len__(self) -> int:
        return len(self.codes)

    def batches(self) -> Iterator[UserBatch]:
        """Yields USERS_AT_ONCE users at a time; for an empty range, one empty batch."""
        for start in range(0, max(len(self), 1), USERS_AT_ONCE):
            codes = self.codes[start : start + USERS_AT_ONCE]
            yield UserBatch.known_range(self.split.everything_of(codes), codes)
