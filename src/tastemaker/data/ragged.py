"""Finds lines of a text file that have more or fewer values than the first."""

import polars as pl

from tastemaker.data.text_lines import TextLines
from tastemaker.errors import DataError


def uneven_rows(lines: TextLines, width: int) -> pl.DataFrame:
    """Returns the rows that do not have `width` values: number (of the line) and n_values.

    A separator at the end of the line, after the last value, is not followed by a value.
    """
    rows = _with_widths(lines, width)
    uneven = (pl.col("n_values") != width) & ~pl.col("ends_in_separator")
    return rows.filter(uneven).select("number", "n_values")


def differ_by_last_separator(lines: TextLines, width: int) -> bool:
    """Returns whether all rows that do not have `width` values have one more separator at the end.

    Returns:
        False if no row differs, or if there are rows that differ in another way.
    """
    differing = _with_widths(lines, width).filter(pl.col("n_values") != width)
    return not differing.is_empty() and bool(differing["ends_in_separator"].all())


def _with_widths(lines: TextLines, width: int) -> pl.DataFrame:
    """Returns the rows that are not blank: number, n_values and ends_in_separator."""
    text = pl.col("text")
    if lines.quoted:
        text = text.str.replace_all('"[^"]*"', "")
    rows = lines.with_text(lines.rows.filter(~pl.col("is_blank"))).with_columns(
        n_values=text.str.count_matches(lines.separator, literal=True) + 1
    )
    ends = (pl.col("n_values") == width + 1) & pl.col("text").str.ends_with(lines.separator)
    return rows.select("number", "n_values", ends_in_separator=ends)


def refuse_uneven(rows: pl.DataFrame, width: int, source_name: str) -> None:
    """Raises an error if there are rows with too many or too few values.

    Args:
        rows: the result of `uneven_rows`.
        width: number of columns.
        source_name: name of the file in error messages.

    Raises:
        DataError: there are such rows; the message gives the line of the first.
    """
    if rows.is_empty():
        return
    number, n_values = rows.row(0)
    others = f" ({rows.height - 1:,} other line(s) differ too)" if rows.height > 1 else ""
    raise DataError(
        f"{source_name}: line {number} has {n_values} value(s), but the first line has {width}"
        f"{others}; correct the line, put quotes around values that contain the separator or a "
        'line break, or leave out comments with comment="#"'
    )
