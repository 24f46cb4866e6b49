"""Decimal separators of numbers that are stored as text."""

import polars as pl


def with_points(text: pl.Series, decimal: str) -> pl.Series:
    """Returns numbers with a decimal point, and null for text with a point if it is not decimal.

    With a decimal comma, a point separates thousands or is a mistake: 1.234 is not 1.234 there.

    Args:
        text: a column of String.
        decimal: "." or ",".
    """
    if decimal == ".":
        return text
    has_point = text.str.contains(".", literal=True)
    return text.str.replace(",", ".", literal=True).set(has_point.fill_null(value=False), None)


def as_numbers(text: pl.Series, decimal: str) -> pl.Series:
    """Returns Int64 or Float64 if all texts are such numbers, without leading zeros, else the text.

    Args:
        text: a column of String.
        decimal: "." or ",".
    """
    if text.str.contains(r"^0\d").any():
        return text
    points = with_points(text, decimal)
    for dtype in (pl.Int64, pl.Float64):
        numbers = points.cast(dtype, strict=False)
        if numbers.null_count() == text.null_count():
            return numbers
    return text
