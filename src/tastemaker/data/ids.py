"""Reads ids as whole numbers or text."""

from typing import Literal

import polars as pl

from tastemaker.data.rows import Rows
from tastemaker.errors import DataError

IdKind = Literal["text", "integer"]
"""The types as which ids can be read."""

LARGEST_EXACT_FLOAT = 2**53
"""Above this number, 64-bit floats cannot represent every whole number."""


def read_ids(rows: Rows, name: str, role: str, kind: IdKind | None = None) -> pl.Series:
    """Returns the ids in one column as Int64 or String.

    Args:
        rows: a table without missing ids.
        name: the column.
        role: "user" or "item".
        kind: type to convert the ids to; by default they keep their type. Text from a file without
            types becomes whole numbers if all of it can be converted without loss.

    Raises:
        DataError: an id cannot be converted to `kind`, is too large for 64 bits, or has a type that
            ids cannot have.
    """
    column = rows.frame[name]
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.String and kind is None and not rows.is_typed:
        column = _as_exact_numbers(column)
    if column.dtype.is_float():
        column = _float_ids_to_int64(rows, column, role)
    if column.dtype == pl.String:
        return _parse_whole_numbers(rows, column, role) if kind == "integer" else column
    if not column.dtype.is_integer():
        raise DataError(
            f'{rows.source}: column "{name}" holds {column.dtype}, but {role} ids must be whole '
            "numbers or text"
        )
    return column.cast(pl.String) if kind == "text" else _in_64_bits(rows, column, role)


def as_whole_numbers(text: pl.Series) -> pl.Series:
    """Returns Int64 where a text is a whole number in its usual form (7, not 007), else null."""
    numbers = text.cast(pl.Int64, strict=False)
    return numbers.set((numbers.cast(pl.String) != text).fill_null(value=True), None)


def _as_exact_numbers(text: pl.Series) -> pl.Series:
    """Returns numbers if all of the text can be converted without loss, else the text."""
    if text.str.contains(r"^0\d").any():
        return text
    for dtype in (pl.Int64, pl.Float64):
        numbers = text.cast(dtype, strict=False)
        if not numbers.null_count():
            is_exact = dtype == pl.Int64 or (numbers.abs() < LARGEST_EXACT_FLOAT).all()
            return numbers if is_exact else text
    return text


def _float_ids_to_int64(rows: Rows, column: pl.Series, role: str) -> pl.Series:
    """Converts floats to Int64; pandas stores whole numbers as floats where some are missing."""
    fractions = column != column.floor()
    if fractions.any():
        row = int(fractions.arg_max() or 0)
        remedy = "store the ids as text" if rows.is_typed else 'read them as text with ids="text"'
        raise DataError(
            f"{rows.at(column.name, row)}: {column[row]} is not a whole number, but {role} ids "
            f"that are numbers must be whole; name another column, or {remedy}"
        )
    return _in_64_bits(rows, column, role)


def _parse_whole_numbers(rows: Rows, text: pl.Series, role: str) -> pl.Series:
    return _to_int64(
        rows,
        text,
        f'the {role} id "{{}}" is not a 64-bit whole number, which ids="integer" requires',
    )


def _in_64_bits(rows: Rows, column: pl.Series, role: str) -> pl.Series:
    return _to_int64(rows, column, f"{{}} is too large for a whole-number {role} id (64 bits)")


def _to_int64(rows: Rows, column: pl.Series, template: str) -> pl.Series:
    """Returns the column as Int64; raises DataError if a value is not a 64-bit whole number.

    Args:
        rows: the table, for the place of the value in the message.
        column: the values.
        template: a template of the message, with `{}` for the first invalid value.
    """
    numbers = column.cast(pl.Int64, strict=False)
    if numbers.null_count():
        row = int(numbers.is_null().arg_max() or 0)
        raise DataError(
            f"{rows.at(column.name, row)}: {template.format(column[row])}; "
            'read the ids as text with ids="text"'
        )
    return numbers
