"""Reads tables from text files: CSV, TSV and similar formats."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl

from tastemaker.data.contents import Content
from tastemaker.data.decimals import as_numbers
from tastemaker.data.quotes import quotes_are_text
from tastemaker.data.table import ReadTable
from tastemaker.data.text_file import TextFile, is_null
from tastemaker.data.text_format import TextFormat
from tastemaker.data.text_lines import TextLines
from tastemaker.errors import DataError


def read_text(
    content: Content,
    source_name: str,
    choose: Callable[[list[str]], Sequence[str]],
    how: TextFormat,
    ids: Callable[[list[str]], Sequence[str]],
    *,
    tab_first: bool = False,
    part_from_line: int | None = None,
) -> ReadTable:
    """Reads a text file.

    Args:
        content: the unpacked file.
        source_name: name of the file in error messages.
        choose: returns the columns to read, given all column names.
        how: the format, as far as it is given.
        ids: returns the columns that hold ids, given all column names; text of ids must not change.
        tab_first: whether the separator is a tab if the file contains one.
        part_from_line: number of the first line, if the content is a part of a larger file. All
            columns are then read as text, since a part cannot tell the type of a column.

    Raises:
        DataError: the file cannot be read without loss; the message gives the line.
    """
    is_part, first_line = part_from_line is not None, part_from_line or 1
    text = TextFile.of(content, source_name, how, tab_first=tab_first, first_line=first_line)
    names = text.names()
    chosen = list(choose(names))
    columns = {name: names.index(name) for name in chosen}
    exact = chosen if is_part else [name for name in ids(names) if name in columns]
    frame = text.parse(columns, exact, as_text=is_part)
    if frame is None and text.lines_end_in_separators(len(names)):
        text = replace(text, ragged=True)
        frame = text.parse(columns, exact, as_text=is_part)
    notes: list[str] = []
    if text.lines.quoted and how.quoting is None and text.may_have_lost_rows(frame):
        last = max(columns.values())
        if quotes_are_text(text.lines, len(names), last, source_name):
            if is_part:
                raise DataError(
                    f"{source_name}: between lines {first_line:,} and "
                    f"{first_line + text.counts.lines:,}, rows would be lost with CSV quoting; if "
                    'its quotes are text, read it with quoting="none", else with quoting="csv"'
                )
            text = text.without_quoting()
            frame = text.parse(columns, exact)
            notes.append("quotes are read as text, since rows would be lost with CSV quoting")
    if frame is None:
        raise text.parse_error(len(names))
    if not notes:
        notes.extend(text.uneven_lines(frame, columns, len(names)))
    tidied = _tidied(frame, text.lines, exact, how.decimal)
    return ReadTable(
        tidied, text.lines.place_of, is_typed=False, notes=tuple(notes), decimal=how.decimal
    )


def _tidied(
    frame: pl.DataFrame, lines: TextLines, exact: Sequence[str], decimal: str
) -> pl.DataFrame:
    """Removes blank lines and blanks around values, and converts text to numbers where possible.

    Text in the columns in `exact` stays text.
    """
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    frame = frame.with_columns(pl.col(texts).str.strip_chars().replace("", None))
    is_empty = is_null(frame)
    if is_empty.any():
        rows = lines.rows
        # A row without a value in these columns is not a blank line if it has values in others.
        frame = frame.filter(~(rows["is_blank"] if rows.height == frame.height else is_empty))
    return frame.with_columns(
        as_numbers(frame[name], decimal) for name in texts if name not in exact
    )
