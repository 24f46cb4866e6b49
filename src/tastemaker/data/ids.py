"""Reads ids as whole numbers or text."""

from typing import Literal

import polars as pl

from tastemaker.data.rows import Rows
from tastemaker.errors import DataError

IdKind = Literal["text", "integer"]
"""The types as which ids can be read."""

EXACT_BELOW: dict[type[pl.DataType], int] = {
    pl.Float16: 2**11,
    pl.Float32: 2**24,
    pl.Float64: 2**53,
}
"""The number from which on a type of floats cannot represent every whole number."""


def read_ids(rows: Rows, name: str, role: str, kind: IdKind | None = None) -> pl.Series:
    """Returns the ids in one column as Int64 or String.

    Args:
        rows: a table without missing ids.
        name: the column.
        role: "user" or "item".
        kind: type to convert the ids to; by default they keep their type. Text from a file without
            types becomes whole numbers if all of it is whole numbers in their usual form, such as
            7 or 7.0, but not 007, +7 or 1e5.

    Raises:
        DataError: an id cannot be converted to `kind`, is too large for 64 bits, is a float that
            may have been rounded, or has a type that ids cannot have; or ids that `kind` makes
            equal are spelled in different ways.
    """
    column = rows.frame[name]
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.String and kind is None and not rows.is_typed:
        column = _as_exact_numbers(rows, column, role)
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


def _without_zeros(text: pl.Series) -> pl.Series:
    """Returns 7 for 7.0: a program that stores numbers as floats writes whole ones like this."""
    return text.str.replace(r"^(-?\d+)\.0+$", "${1}")


def _as_exact_numbers(rows: Rows, text: pl.Series, role: str) -> pl.Series:
    """Returns whole numbers if all of the text is some in their usual form, else the text.

    Raises:
        DataError: all of the text is numbers, but one has a fraction.
    """
    numbers = as_whole_numbers(_without_zeros(text))
    if not numbers.null_count():
        return numbers
    if text.str.contains(r"^-?(0|[1-9]\d*)(\.\d+)?$").all():
        _refuse_fractions(rows, text, text.str.contains(r"\..*[1-9]"), role)
    return text


def _float_ids_to_int64(rows: Rows, column: pl.Series, role: str) -> pl.Series:
    """Converts floats to Int64; pandas stores whole numbers as floats where some are missing."""
    _refuse_fractions(rows, column, column != column.floor(), role)
    limit = EXACT_BELOW[type(column.dtype)]
    rounded = column.abs() >= limit
    if rounded.any():
        row = int(rounded.arg_max() or 0)
        raise DataError(
            f"{rows.at(column.name, row)}: the {role} id {column[row]:.0f} may have been rounded, "
            f"since {column.dtype} stores each whole number only below {limit:,}; store the ids as "
            "Int64 or as text"
        )
    return _in_64_bits(rows, column, role)


def _refuse_fractions(rows: Rows, column: pl.Series, has_fraction: pl.Series, role: str) -> None:
    if has_fraction.any():
        row = int(has_fraction.arg_max() or 0)
        remedy = "store the ids as text" if rows.is_typed else 'read them as text with ids="text"'
        raise DataError(
            f"{rows.at(column.name, row)}: {column[row]} is not a whole number, but {role} ids "
            f"that are numbers must be whole; name another column, or {remedy}"
        )


def _parse_whole_numbers(rows: Rows, text: pl.Series, role: str) -> pl.Series:
    """Returns the text as Int64, in any form.

    Raises:
        DataError: a text is not a whole number, or two forms of one number occur, such as 007 and
            7: these may be two users or items.
    """
    plain = _without_zeros(text)
    numbers = _to_int64(
        rows,
        plain,
        f'the {role} id "{{}}" is not a 64-bit whole number, which ids="integer" requires',
    )
    unusual = plain != numbers.cast(pl.String)
    if unusual.any() and plain.n_unique() > numbers.n_unique():
        first = pl.col("text").first().over("number").alias("first")
        forms = pl.DataFrame({"number": numbers, "text": plain}).with_columns(first)
        differ = forms["text"] != forms["first"]
        row = int(differ.arg_max() or 0)
        form, other = forms["text"][row], forms["first"][row]
        raise DataError(
            f'{rows.at(text.name, row)}: the {role} ids "{form}" and "{other}" would become one '
            "whole number; write each id in a single way, or read the ids as text with "
            'ids="text"'
        )
    return numbers


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
