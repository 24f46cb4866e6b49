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
    """A table as it was read, with the names of the table and its rows in messages."""

    frame: pl.DataFrame
    source: str
    """Name of the table in messages: the file's path, or the name of the data."""
    place_of: Callable[[int], str] = row_number
    """Returns the place in the source, such as `line 3`, of a row of the table as it was read."""
    is_typed: bool = True
    """Whether the source distinguishes numbers from text. Text files do not."""
    unused: tuple[str, ...] = ()
    """Columns of the source that were not read."""
    notes: tuple[str, ...] = ()
    """Decisions made by the reader."""
    positions: pl.Series | None = None
    """Position of each remaining row in the table as it was read; None if all rows remain."""

    def __post_init__(self) -> None:
        refuse_forked()

    def only(self, keep: pl.Series) -> "Rows":
        """Returns the rows where a Boolean column is true."""
        return self._with_frame(self.frame.filter(keep), keep.arg_true())

    def with_column(self, column: pl.Series) -> "Rows":
        """Returns the rows with other values in the column of that name."""
        return replace(self, frame=self.frame.with_columns(column))

    def exploded(self, column: str) -> "Rows":
        """Returns one row for each element of a column of lists; none for an empty list."""
        numbered = self.frame.with_row_index("the row").filter(pl.col(column).list.len() > 0)
        long = numbered.explode(column)
        return self._with_frame(long.drop("the row"), long["the row"])

    def _with_frame(self, frame: pl.DataFrame, rows: pl.Series) -> "Rows":
        positions = rows if self.positions is None else self.positions.gather(rows)
        return replace(self, frame=frame, positions=positions)

    def places(self, *rows: int) -> str:
        """Returns the places of rows in words: `line 3` or `lines 3, 7`."""
        positions = [row if self.positions is None else int(self.positions[row]) for row in rows]
        words, numbers = zip(*(self.place_of(row).split() for row in positions), strict=True)
        return f"{words[0]}{'s' * (len(rows) > 1)} {', '.join(numbers)}"

    def at(self, column: str, row: int) -> str:
        """Returns the place of a value in words: `clicks.csv: column "user", line 3`."""
        return f'{self.source}: column "{column}", {self.places(row)}'


def read_rows(
    source: Any,
    source_name: str,
    *,
    ids: Choose,
    wanted: Choose = list,
    how: TextFormat | None = None,
) -> Rows:
    """Reads a file or a dataframe.

    Args:
        source: a path or a dataframe.
        source_name: name of the source in messages.
        ids: returns the columns that hold ids, given all column names.
        wanted: returns the columns of a file to read, given all column names.
        how: format of a text file, as far as it is given; the rest is detected.

    Raises:
        DataError: the source cannot be read.
    """
    if not isinstance(source, str | Path):
        return Rows(frame_from_arrow(source), source_name)
    available: list[str] = []

    def choose(names: list[str]) -> Sequence[str]:
        available[:] = names
        return wanted(names)

    table = read_table(Path(source), columns=choose, ids=ids, how=how)
    unused = tuple(name for name in available if name not in table.frame.columns)
    return Rows(table.frame, source_name, table.place_of, table.is_typed, unused, table.notes)
