"""Reads a column of numbers, such as ratings and weights."""

import re

import polars as pl

from tastemaker.data.decimals import with_points
from tastemaker.data.rows import Rows
from tastemaker.errors import DataError


def read_numbers(rows: Rows, column: pl.Series, role: str) -> pl.Series:
    """Returns a column as Float32, with nulls where it has nulls.

    Args:
        rows: the table, for error messages.
        column: numbers, or text that can be read as numbers.
        role: what the numbers are, for error messages.

    Raises:
        DataError: a value is not a number; the message gives column, row and value.
    """
    is_text = column.dtype == pl.String
    points = with_points(column, rows.decimal) if is_text else column
    # Text is read as the same number whether or not the reader has converted it before.
    exact = points.cast(pl.Float64, strict=False) if is_text else points
    numbers = exact.cast(pl.Float32, strict=False)
    bad = numbers.is_null() & column.is_not_null()
    if bad.any():
        row = int(bad.arg_max() or 0)
        value = str(column[row])
        remedy = ""
        if rows.decimal == ",":
            remedy = ' with decimal=","'
        elif re.fullmatch(r"-?\d+,\d+", value.strip()):
            # A comma may also separate thousands, so it is not silently read as a decimal point.
            changed = value.strip().replace(",", ".")
            how = f"write {changed}" if rows.is_typed else 'give decimal=","'
            remedy = f"; if the comma is a decimal point, {how}"
        raise DataError(
            f'{rows.at(column.name, row)}: "{value}" is not a number, so it cannot be a '
            f"{role}{remedy}"
        )
    return numbers
