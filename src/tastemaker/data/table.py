"""Table: what a reader found in a file, and where in the file each row stands."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl


def row_number(row: int) -> str:
    """Where a row stands in a table that has no lines, such as Parquet or a dataframe."""
    return f"row {row + 1}"


@dataclass(frozen=True)
class ReadTable:
    """A table that was read, with its rows in the order of the file."""

    frame: pl.DataFrame
    place_of: Callable[[int], str] = row_number
    """Position of a row in `frame`, counted from 0, to its place in the source, in the words of an
    error: "line 17" of a text file, with the header, blank lines, comments and line breaks in
    quoted values counted as an editor counts them; "row 16" where the source has no lines. It may
    read the whole file again, so call it only when an error is made:

        table = read_table(path)
        raise DataError(f"{path}: {table.place_of(row)}: the user id is missing")

    `row` is a position in this frame: filtering must not come before it."""
    is_typed: bool = True
    """Whether the source says which values are numbers. Text files do not."""
    notes: tuple[str, ...] = ()
    """What the reader decided by itself and a reader of results should know."""
