"""Values of features as they are sent in a request or written in Python, checked by kind."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from tastemaker.data.feature_kinds import FeatureKind
from tastemaker.data.id_table import IdTable
from tastemaker.errors import ConfigError, did_you_mean


def column_of(name: str, kind: FeatureKind, values: Sequence[Any], size: int) -> pl.Series:
    """Returns values of a feature as a column of a table has them.

    Args:
        name: the feature.
        kind: its kind.
        values: None where the value is missing.
        size: number of entries of a vector.

    Raises:
        ConfigError: a value is not of this kind.
    """
    dtype, read = READ[kind]
    if kind == "vector":
        dtype = pl.Array(pl.Float32, size)
    read_values = []
    for value in values:
        try:
            read_value = None if value is None else read(value)
        except (TypeError, ValueError, OverflowError):
            read_value, is_good = None, False
        else:
            is_good = kind != "vector" or read_value is None or len(read_value) == size
        if not is_good:
            expected = f"a list of {size} numbers" if kind == "vector" else EXPECTED[kind]
            raise ConfigError(f'feature "{name}": {_shown(value)} is not {expected}')
        read_values.append(read_value)
    return pl.Series(name, read_values, dtype=dtype)


def refuse_wrong_values(table: IdTable, row: Mapping[str, Any]) -> None:
    """Checks the features of a new item or user.

    Args:
        table: the table whose features these are.
        row: the value of each feature by name.

    Raises:
        ConfigError: a feature is not in the table, or a value is not of its kind.
    """
    kinds = table.features
    for name, value in row.items():
        if name not in kinds:
            known = did_you_mean(name, list(kinds)) if kinds else "there are none"
            raise ConfigError(f'the {table.kind}s have no feature "{name}"; {known}')
        column_of(name, kinds[name], [value], vector_size(table, name))


def usable_features(table: IdTable, row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those features that are in a table and whose values are of their kinds."""
    usable = {}
    for name, value in row.items():
        try:
            refuse_wrong_values(table, {name: value})
        except ConfigError:
            continue
        usable[name] = value
    return usable


def known_features(table: IdTable, row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the usable features that have a value."""
    present = {name: value for name, value in row.items() if value is not None}
    return usable_features(table, present)


def vector_size(table: IdTable, name: str) -> int:
    """Returns the number of entries of a vector; 0 for a feature of another kind."""
    dtype = table.frame.schema[name]
    return dtype.size if isinstance(dtype, pl.Array) else 0


def _text(value: Any) -> str | None:
    """Returns a text or a number as text; an empty text is missing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int | float):
        raise TypeError
    return (str(value).strip() and str(value)) or None


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list | tuple):
        raise TypeError
    return [text for text in map(_text, value) if text is not None]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError
    return float(value)


def _date(value: Any) -> int:
    """Returns seconds since 1970 UTC of a date, a datetime, ISO 8601 text or seconds."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime):
        zoned = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return math.floor(zoned.timestamp())
    return math.floor(_number(value))


def _vector(value: Any) -> list[float]:
    if not isinstance(value, list | tuple):
        raise TypeError
    return [_number(each) for each in value]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


EXPECTED: dict[FeatureKind, str] = {
    "category": "a text or a number",
    "categories": "a list of texts",
    "number": "a number",
    "text": "a text",
    "date": "a date in ISO 8601 or in seconds since 1970",
}

READ: dict[FeatureKind, tuple[Any, Callable[[Any], Any]]] = {
    "category": (pl.String, _text),
    "categories": (pl.List(pl.String), _texts),
    "number": (pl.Float64, _number),
    "text": (pl.String, _text),
    "date": (pl.Int64, _date),
    "vector": (None, _vector),
}
"""Type of a column of each kind, and the function that reads a value."""
