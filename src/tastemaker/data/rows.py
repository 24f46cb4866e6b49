"""The rows of a source as they were read, before their values are validated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from tastemaker.data.readers import Choose, frame_from_arrow, read_table
from tastemaker.data.table import row_number
from tastemaker.data.text_format import TextFormat
from tastemaker.forking import refuse_forked


@dataclass(frozen=True)
class Rows:
    """A table as it was read, with what messages call it and its rows."""

    frame: pl.DataFrame
    source: str
    """What the table is called in messages: the file's path, or the name of the data."""
    place_of: Callable[[int], str] = row_number
    """The place in the source of a row of the table as it was read, as `line 3`."""
    is_typed: bool = True
    """Whether the source says which values are numbers. Text files do not."""
    unused: tuple[str, ...] = ()
    """Columns of the source that were not read."""
    notes: tuple[str, ...] = ()
    """What the reader decided."""
    positions: pl.Series | None = None
    """Position in the table as it was read of each row that is left; None if all are."""

    def __post_init__(self) -> None:
        refuse_forked()

    def only(self, keep: pl.Series) -> "Rows":
        """The rows where a Boolean column is true."""
        return self._taking(self.frame.filter(keep), keep.arg_true())

    def exploded(self, column: str) -> "Rows":
        """One row for each element of a column of lists; none for a row whose list is empty."""
        numbered = self.frame.with_row_index("the row").filter(pl.col(column).list.len() > 0)
        long = numbered.explode(column)
        return self._taking(long.drop("the row"), long["the row"])

    def _taking(self, frame: pl.DataFrame, rows: pl.Series) -> "Rows":
        read = rows if self.positions is None else self.positions.gather(rows)
        return replace(self, frame=frame, positions=read)

    def places(self, *rows: int) -> str:
        """The places of rows in words: `line 3` or `lines 3, 7`."""
        read = [row if self.positions is None else int(self.positions[row]) for row in rows]
        words, numbers = zip(*(self.place_of(row).split() for row in read), strict=True)
        return f"{words[0]}{'s' * (len(rows) > 1)} {', '.join(numbers)}"

    def at(self, column: str, row: int) -> str:
        """The place of a value in words: `clicks.csv: column "user", line 3`."""
        return f'{self.source}: column "{column}", {self.places(row)}'


def read_rows(
    source: Any,
    shown: str,
    *,
    ids: Choose,
    wanted: Choose = list,
    how: TextFormat | None = None,
) -> Rows:
    """Reads a file or a dataframe.

    Args:
        source: a path or a dataframe.
        shown: what the source is called in messages.
        ids: which columns hold ids.
        wanted: which columns of a file to read.
        how: what is known of the format of a text file; by default it is found out.

    Raises:
        DataError: the source cannot be read.
    """
    if not isinstance(source, str | Path):
        return Rows(frame_from_arrow(source), shown)
    available: list[str] = []

    def choose(names: list[str]) -> Sequence[str]:
        available[:] = names
        return wanted(names)

    table = read_table(Path(source), columns=choose, ids=ids, how=how)
    unused = tuple(name for name in available if name not in table.frame.columns)
    return Rows(table.frame, shown, table.place_of, table.is_typed, unused, table.notes)
