"""Lines that have more or fewer values than the first."""

import polars as pl

from tastemaker.data.text_lines import TextLines
from tastemaker.errors import DataError


def uneven(lines: TextLines, width: int) -> pl.DataFrame:
    """The rows with another number of values than there are columns: number (line), n_values."""
    text = pl.col("text")
    if lines.quoted:
        text = text.str.replace_all('"[^"]*"', "")
    rows = lines.with_text(lines.rows.filter(~pl.col("is_blank"))).with_columns(
        n_values=text.str.count_matches(lines.separator, literal=True) + 1
    )
    return rows.filter(pl.col("n_values") != width).select("number", "n_values")


def refuse_uneven(rows: pl.DataFrame, width: int, shown: str) -> None:
    """Does nothing where there are no such rows.

    Args:
        rows: what `uneven` found.
        width: how many columns there are.
        shown: what the file is called in an error.

    Raises:
        DataError: with the first such line.
    """
    if rows.is_empty():
        return
    number, n_values = rows.row(0)
    others = f" (so it is with {rows.height - 1:,} other line(s))" if rows.height > 1 else ""
    raise DataError(
        f"{shown}: line {number} has {n_values} value(s), but the first line has {width}"
        f"{others}; mend it, put quotes around values that contain the separator or a "
        'line break, or leave comments out with comment="#"'
    )
