"""Shard: one of the equal parts into which the users of a run are divided."""

import re
from dataclasses import dataclass
from typing import Self

from tastemaker.errors import ConfigError


@dataclass(frozen=True)
class Shard:
    """One of `count` ranges of user codes, which together are all users."""

    number: int
    """From 1 to `count`."""
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ConfigError(
                f"there is no shard {self}; the first of 64 shards is 1/64 and the last 64/64"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a shard as people write it: `3/64`.

        Raises:
            ConfigError: the text is not a shard.
        """
        numbers = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        if numbers is None:
            raise ConfigError(f'"{text}" is not a shard; give its number and their count, as 3/64')
        return cls(int(numbers[1]), int(numbers[2]))

    @classmethod
    def of_file(cls, name: str) -> Self | None:
        """Returns the shard whose `name` a file has, whatever its ending; None for other files."""
        numbers = re.fullmatch(r"shard-(\d{4,})-of-(\d{4,})\.\w+", name)
        return None if numbers is None else cls(int(numbers[1]), int(numbers[2]))

    @property
    def name(self) -> str:
        """Name of the shard's files without an ending; names sort in the order of the users."""
        return f"shard-{self.number:04}-of-{self.count:04}"

    def users(self, n_users: int) -> range:
        """Returns the codes of the shard's users; the sizes of the shards differ by at most 1."""
        start, stop = (n_users * end // self.count for end in (self.number - 1, self.number))
        return range(start, stop)
