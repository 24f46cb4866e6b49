"""Vocabulary: maps external ids to dense integer codes and back."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import polars as pl

from tastemaker.data.blocks import blocks, in_threads
from tastemaker.errors import DataError, UnknownIdError
from tastemaker.forking import refuse_forked
from tastemaker.representation import short_repr

UNKNOWN = -1
"""The code of an id that is not in the vocabulary."""


@dataclass(frozen=True)
class Vocabulary:
    """A bijection between external ids and the codes 0 … len-1, in ascending order of the ids.

    The ids are sorted rather than kept in order of appearance, so that the same ids give the same
    codes in whatever order the rows of the file are.
    """

    ids: pl.Series
    """Int64 or String, unique, ascending; the code of an id is its position."""
    kind: str
    """"user" or "item": the word for a member in error messages."""

    __repr__ = short_repr

    @classmethod
    def of(cls, *columns: pl.Series, kind: str) -> "Vocabulary":
        """Builds the vocabulary of all ids in the columns.

        Raises:
            DataError: the columns mix whole numbers and text, so that "7" and 7 would be two ids.
        """
        dtypes = {column.dtype for column in columns}
        if len(dtypes) > 1:
            raise DataError(
                f"the {kind} ids are whole numbers in one table and text in another; store them as "
                'the same type, or read all of them with ids="text"'
            )
        unique = [_unique(column) for column in columns]
        ids = (pl.concat(unique).unique() if len(unique) > 1 else unique[0]).sort()
        return cls(ids.alias(f"{kind}_id"), kind)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def is_text(self) -> bool:
        """Whether the ids are text rather than whole numbers."""
        return self.ids.dtype == pl.String

    def find(self, ids: pl.Series) -> np.ndarray:
        """Returns the codes of the ids, (n,) int32; UNKNOWN where an id is not a member.

        Raises:
            DataError: the ids are text and the members whole numbers, or vice versa.
        """
        refuse_forked()
        if (ids.dtype == pl.String) != self.is_text:
            raise DataError(
                f"the {self.kind} ids are {'text' if self.is_text else 'whole numbers'} in one "
                f"table and {ids.dtype} in another; store them as the same type, or read all of "
                'them with ids="text"'
            )
        if self.is_text:
            codes = ids.cast(pl.Enum(self.ids), strict=False).to_physical()
            return codes.cast(pl.Int32).fill_null(UNKNOWN).to_numpy(writable=True)
        return _find_integers(self.ids.to_numpy(), ids)

    def encode(self, ids: Sequence[int | str] | pl.Series) -> np.ndarray:
        """Returns the codes of the ids, (n,) int64.

        Raises:
            UnknownIdError: an id is not a member; the message names the first one.
        """
        column = ids if isinstance(ids, pl.Series) else self._as_column(ids)
        codes = self.find(column).astype(np.int64)
        if len(codes) and codes.min() == UNKNOWN:
            raise UnknownIdError(self._unknown_message(column[int(np.argmin(codes))]))
        return codes

    def code_of(self, member: int | str) -> int:
        """Returns the code of one id, or UNKNOWN; faster than `find` for a single id."""
        if isinstance(member, str) != self.is_text:
            return UNKNOWN
        if isinstance(member, str):
            position = int(self.ids.search_sorted(member))
        else:
            position = int(np.searchsorted(self.ids.to_numpy(), member))
        return position if position < len(self) and self.ids[position] == member else UNKNOWN

    def decode(self, codes: np.ndarray) -> pl.Series:
        """Returns the ids of the codes; null for UNKNOWN."""
        refuse_forked()
        known = pl.Series(codes).cast(pl.Int64)
        return self.ids.gather(known.set(known < 0, None))

    def parse(self, texts: Iterable[str]) -> list[int] | list[str]:
        """Converts ids from a command line or a URL to the type of this vocabulary.

        Raises:
            UnknownIdError: a text is not a whole number where ids are whole numbers.
        """
        texts = list(texts)
        if self.is_text:
            return texts
        return [self._parse_whole_number(text) for text in texts]

    def _parse_whole_number(self, text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise UnknownIdError(self._unknown_message(text)) from None

    def _as_column(self, ids: Sequence[int | str]) -> pl.Series:
        expected, word = (str, "text") if self.is_text else (int, "whole numbers")
        for value in ids:
            # NumPy integers are not instances of int, but are valid ids as well.
            if not isinstance(value, expected | (np.str_ if self.is_text else np.integer)):
                raise UnknownIdError(
                    f"{self.kind} {value!r} is not in the data: its {self.kind} ids are {word} "
                    f"(for example {self.ids[0]!r})"
                )
            if not self.is_text and not -(2**63) <= int(value) < 2**63:
                raise UnknownIdError(self._unknown_message(value))
        return pl.Series(list(ids), dtype=self.ids.dtype)

    def _unknown_message(self, value: object) -> str:
        return (
            f"{self.kind} {value} is not in the data "
            f"({len(self):,} {self.kind}s, ids from {self.ids[0]} to {self.ids[-1]})"
        )


def _unique(ids: pl.Series) -> pl.Series:
    if ids.dtype.is_integer() and len(ids):
        low, high = int(ids.min()), int(ids.max())  # type: ignore[arg-type]
        if _is_dense(low, high, 0):
            is_present = np.zeros(high - low + 1, dtype=bool)
            # In one thread: several would slow each other down by writing to the same places.
            for block in blocks(len(ids)):
                is_present[ids[block].to_numpy() - low] = True
            return pl.Series(np.flatnonzero(is_present) + low).cast(ids.dtype)
    return ids.unique()


def _is_dense(low: int, high: int, n: int) -> bool:
    """Returns whether ids are dense enough for a look-up table, which is faster than a search."""
    return high - low < 8 * n + 1_000_000


def _find_integers(members: np.ndarray, ids: pl.Series) -> np.ndarray:
    codes = np.empty(len(ids), dtype=np.int32)
    find = _look_up(members)

    def encode(block: slice) -> None:
        codes[block] = find(ids[block].to_numpy())

    in_threads(encode, blocks(len(ids)), len(ids))
    return codes


def _look_up(members: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    low, high = int(members[0]), int(members[-1])
    if not _is_dense(low, high, len(members)):
        return partial(_search, members)
    table = np.full(high - low + 2, UNKNOWN, dtype=np.int32)
    table[members - low] = np.arange(len(members), dtype=np.int32)
    unknown_position = high - low + 1
    return lambda values: table[
        np.where((values >= low) & (values <= high), values - low, unknown_position)
    ]


def _search(members: np.ndarray, values: np.ndarray) -> np.ndarray:
    position = np.searchsorted(members, values).clip(max=len(members) - 1)
    return np.where(members[position] == values, position, UNKNOWN)
