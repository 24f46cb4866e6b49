"""Table: the result of reading a file, with the place of each row in the file."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl


def row_number(row: int) -> str:
    """Returns the place of a row in a table that has no lines, such as Parquet or a dataframe."""
    return f"row {row + 1}"


@dataclass(frozen=True)
class ReadTable:
    """A table that was read, with its rows in the order of the file."""

    frame: pl.DataFrame
    place_of: Callable[[int], str] = row_number
    """Converts the position of a row in `frame`, from 0, to its place in the source, for an error
    message: "line 17" of a text file, where the header, blank lines, comments and line breaks in
    quoted values count as they do in an editor; "row 16" if the source has no lines. It may read
    the whole file again, so call it only to raise an error:

        table = read_table(path)
        raise DataError(f"{path}: {table.place_of(row)}: the user id is missing")

    The position refers to this frame, so the rows must not be filtered before the call."""
    file_of: Callable[[int], str] | None = None
    """Returns the file of a row, if the table was read from several files."""
    is_typed: bool = True
    """Whether the source distinguishes numbers from text. Text files do not."""
    notes: tuple[str, ...] = ()
    """Decisions made by the reader that a user of the results should be aware of."""
    decimal: str = "."
    """The decimal separator of numbers that are stored as text."""
