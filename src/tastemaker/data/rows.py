"""The rows of a source as they were read, before their values are validated."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from glob import has_magic
from pathlib import Path
from typing import Any

import polars as pl

from tastemaker.data.databases import read_url, without_password
from tastemaker.data.file_kinds import (
    is_database_url,
    refuse_impossible_path,
    refuse_query,
    refuse_text_options,
)
from tastemaker.data.file_sets import file_set, read_file_set
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
    file_of: Callable[[int], str] | None = None
    """Returns the file of a row, if the table was read from several files."""
    decimal: str = "."
    """The decimal separator of numbers that are stored as text."""
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

    def place(self, row: int) -> tuple[str, str]:
        """Returns the place of a row (`line 3`), and ` of ` its file if there are several."""
        as_read = self._as_read(row)
        file = "" if self.file_of is None else f" of {self.file_of(as_read)}"
        return self.place_of(as_read), file

    def at(self, column: str, row: int) -> str:
        """Returns the place of a value in words: `clicks.csv: column "user", line 3`."""
        as_read = self._as_read(row)
        source = self.source if self.file_of is None else self.file_of(as_read)
        return f'{source}: column "{column}", {self.place_of(as_read)}'

    def _as_read(self, row: int) -> int:
        return row if self.positions is None else int(self.positions[row])


def places_in_words(places: Iterable[tuple[str, str]]) -> str:
    """Returns places of `Rows.place` in words: `line 3`, `lines 3, 7` or `line 3 of may.csv`."""
    by_file: dict[str, list[str]] = {}
    for place, file in places:
        by_file.setdefault(file, []).append(place)
    return ", ".join(_in_words(names) + file for file, names in by_file.items())


def _in_words(places: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(places))
    words, numbers = zip(*(place.split() for place in distinct), strict=True)
    return f"{words[0]}{'s' * (len(distinct) > 1)} {', '.join(numbers)}"


def read_rows(
    source: Any,
    source_name: str,
    *,
    ids: Choose,
    wanted: Choose = list,
    how: TextFormat | None = None,
    query: str | None = None,
) -> Rows:
    """Reads a table from files, a dataframe or a database.

    Args:
        source: a path, a pattern, a folder, a list of paths, the URL of a database, or a dataframe.
        source_name: name of the source in messages.
        ids: returns the columns that hold ids, given all column names.
        wanted: returns the columns to read, given all column names.
        how: format of a text file, as far as it is given; the rest is detected.
        query: SQL that selects rows from a database; by default its only table.

    Raises:
        DataError: the source cannot be read.
        ConfigError: an option does not apply to this source.
    """
    available: list[str] = []

    def choose(names: list[str]) -> Sequence[str]:
        available[:] = names
        return wanted(names)

    files = file_set(source)
    if files is not None:
        refuse_query(query, source_name)
        table = read_file_set(files, columns=choose, ids=ids, how=how)
    elif is_database_url(source):
        refuse_text_options(how or TextFormat(), "database", source_name)
        return Rows(read_url(source, query), source_name)
    elif isinstance(source, str | Path):
        table = read_table(Path(source), columns=choose, ids=ids, how=how, query=query)
    else:
        refuse_text_options(how or TextFormat(), "dataframe", source_name)
        refuse_query(query, source_name)
        return Rows(frame_from_arrow(source), source_name)
    unused = tuple(name for name in available if name not in table.frame.columns)
    return Rows(
        table.frame, source_name, table.place_of, table.file_of, table.decimal, table.is_typed,
        unused, table.notes,
    )  # fmt: skip


def names_of(source: Any, name: str | None = None) -> tuple[str, str]:
    """Returns the name of a source in messages, and that of its data in results.

    Args:
        source: a path, a pattern, a folder, a list of paths, the URL of a database, or a dataframe.
        name: the name of the data, if it is given.

    Raises:
        DataError: the source is a path that no file can have.
    """
    refuse_impossible_path(source)
    if is_database_url(source):
        return without_password(source), name or "query"
    if isinstance(source, list | tuple) and source:
        more = f" and {len(source) - 1} more" if len(source) > 1 else ""
        return f"{source[0]}{more}", name or f"{Path(str(source[0])).stem}{more}"
    if not isinstance(source, str | Path):
        return name or "dataframe", name or "dataframe"
    return str(source), name or ("stdin" if str(source) == "-" else _label(Path(source)))


def _label(path: Path) -> str:
    """Returns a short name without the characters of a pattern: `2026` for logs/2026-*.csv."""
    if not has_magic(str(path)) or path.exists():
        return path.stem or path.absolute().name or "data"
    names = (re.sub(r"[*?\[\]]+", "", part).strip("-_.") for part in (path.stem, path.parent.name))
    return next(filter(None, names), "data")
