"""Reads a column of numbers, such as ratings and weights."""

import re

import polars as pl

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
    numbers = column.cast(pl.Float32, strict=False)
    bad = numbers.is_null() & column.is_not_null()
    if bad.any():
        row = int(bad.arg_max() or 0)
        value = str(column[row])
        remedy = ""
        if re.fullmatch(r"-?\d+,\d+", value.strip()):
            # A comma may also separate thousands, so it is not silently read as a decimal point.
            remedy = f"; if the comma is a decimal point, write {value.strip().replace(',', '.')}"
        raise DataError(
            f'{rows.at(column.name, row)}: "{value}" is not a number, so it cannot be a '
            f"{role}{remedy}"
        )
    return numbers
