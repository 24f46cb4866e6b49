"""IdTable: what is known of items or users, with one row for each and a kind for each feature."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import polars as pl

from tastemaker.data.feature_kinds import FeatureKind
from tastemaker.data.ids import as_whole_numbers
from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import DataError
from tastemaker.representation import short_repr


@dataclass(frozen=True)
class IdTable:
    """One row per item or user: the id, and columns with what is known."""

    frame: pl.DataFrame
    name: str = "the table"
    """Name of the table in messages: the file's path, if it was read from a file."""
    is_typed: bool = True
    """Whether the source distinguishes numbers from text. Text files do not, so their ids take the
    type of the ids of the interactions."""
    notes: tuple[str, ...] = ()
    """Decisions made in reading: the columns that were used, rows left out."""
    kinds: Mapping[str, FeatureKind] | None = None
    """The features: column name to kind. None stands for the columns that hold lists of texts,
    which are categories."""

    kind: ClassVar[str]
    """"item" or "user": what a row describes."""

    __repr__ = short_repr

    @property
    def id_column(self) -> str:
        """Name of the column with the ids."""
        return f"{self.kind}_id"

    @property
    def ids(self) -> pl.Series:
        """The ids."""
        return self.frame[self.id_column]

    @property
    def columns(self) -> list[str]:
        """The columns without the ids."""
        return [name for name in self.frame.columns if name != self.id_column]

    @property
    def features(self) -> dict[str, FeatureKind]:
        """The columns that models can read, and their kinds."""
        if self.kinds is not None:
            return dict(self.kinds)
        schema = self.frame.schema
        return {name: "categories" for name in self.columns if schema[name] == pl.List(pl.String)}

    def feature_bytes(self) -> Iterator[bytes]:
        """Yields the names, kinds and values of the features as bytes, for a fingerprint."""
        for name, kind in sorted(self.features.items()):
            yield f"|{name}|{kind}|".encode()
            column = self.frame[name]
            if kind == "vector":
                yield column.is_null().to_numpy().tobytes()
                yield column.drop_nulls().explode().to_numpy().tobytes()
                continue
            if kind == "categories":
                column = column.list.join("\x1f")
            yield pl.DataFrame([column]).write_csv(null_value="\x00").encode()

    def with_frame(self, frame: pl.DataFrame) -> Self:
        """Returns the table with other rows."""
        return replace(self, frame=frame)

    def aligned_to(self, members: Vocabulary) -> Self:
        """Returns the table with exactly one row per member of the vocabulary, in code order.

        Members that the table does not list get nulls; rows of others are left out.

        Raises:
            DataError: as for `matching`.
        """
        if self.ids.equals(members.ids):
            return self
        wanted = pl.DataFrame({self.id_column: members.ids})
        known = self.matching(members).frame
        joined = wanted.join(known, on=self.id_column, how="left", maintain_order="left")
        return self.with_frame(joined)

    def matching(self, members: Vocabulary, *, keep_all: bool = False) -> Self:
        """Returns the table with its ids converted to the vocabulary's type.

        Ids from a source without types are converted to that type. Ids that cannot be converted to
        whole numbers are left out, since they cannot be members.

        Args:
            members: the vocabulary.
            keep_all: whether every row must be kept.

        Raises:
            DataError: the ids are of another type and their source is typed; or `keep_all` is
                set and an id cannot be converted; or no id is in the vocabulary.
        """
        converted = self._with_id_type_of(members, keep_all)
        if not converted.ids.is_in(members.ids.implode()).any():
            raise DataError(
                f"{self.name} describes 0 of {len(members):,} {self.kind}s: none of its ids (for "
                f"example {_examples(self.ids)}) occurs in the interactions (for example "
                f"{_examples(members.ids)}); name the column with the ids with {self.kind}_id=…, "
                "or write the ids in the same way in both"
            )
        return converted

    def coverage(self, members: Vocabulary) -> str:
        """Describes in one line how many of the items or users of the interactions it lists."""
        ids = self.matching(members).ids
        known = ids.is_in(members.ids.implode()).sum()
        line = f"{self.name} describes {known:,} of {len(members):,} {self.kind}s"
        if known < len(ids):
            line += f", and {len(ids) - known:,} more without interactions"
        if ids.dtype != self.ids.dtype:
            kind = "text" if members.is_text else "whole numbers"
            line += f"; its ids were read as {kind}, like those of the interactions"
        if len(ids) < self.frame.height:
            others = self.ids.filter(as_whole_numbers(self.ids).is_null())
            line += (
                f"; {len(others):,} of its ids, such as {others[0]}, are no whole numbers as those "
                "of the interactions are, and are left out"
            )
        return line

    def _with_id_type_of(self, members: Vocabulary, keep_all: bool) -> Self:
        ids = self.ids
        if ids.dtype == members.ids.dtype:
            return self
        if self.is_typed:
            types = ("whole numbers", "text") if members.is_text else ("text", "whole numbers")
            raise DataError(
                f"{self.name}: the {self.kind} ids are {types[0]} here and {types[1]} in the "
                'interactions; store both as the same type, or read all of them with ids="text"'
            )
        if members.is_text:
            return self.with_frame(self.frame.with_columns(ids.cast(pl.String)))
        numbers = as_whole_numbers(ids)
        if keep_all and numbers.null_count():
            raise DataError(
                f'{self.name}: the {self.kind} id "{ids.filter(numbers.is_null())[0]}" is text, but'
                ' those of the interactions are whole numbers; read all of them with ids="text"'
            )
        return self.with_frame(self.frame.with_columns(numbers).filter(numbers.is_not_null()))


def _examples(ids: pl.Series) -> str:
    return ", ".join(map(str, ids.head(2)))
