"""Reads the columns of a table of items or users as features of a kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from tastemaker.data.decimals import as_numbers
from tastemaker.data.feature_kinds import FeatureKind, describe_kind, guess_kind, stated_kinds
from tastemaker.data.missing import Values, absent_in
from tastemaker.data.rows import Rows
from tastemaker.data.times import read_times
from tastemaker.errors import DataError

MAX_SHOWN = 60
"""Number of characters of a wrong value that a message shows."""


@dataclass(frozen=True)
class FeatureColumns:
    """The features of a table: their columns, their kinds, and a note on each column."""

    columns: dict[str, pl.Series]
    kinds: dict[str, FeatureKind]
    notes: tuple[str, ...]


def read_features(
    rows: Rows,
    names: list[str],
    stated: Mapping[str, str],
    values: Values,
    argument: str,
    taken: tuple[str, ...],
) -> FeatureColumns:
    """Reads columns as features.

    Args:
        rows: the table.
        names: the columns that can be features.
        stated: kinds by column name; the kinds of all other columns are guessed.
        values: which texts stand for a missing value.
        argument: name of the Python argument that states kinds, for messages.
        taken: names that columns of the result may not have.

    Raises:
        ConfigError: a stated kind is unknown.
        DataError: a stated column does not exist, or a value is not of the kind of its column.
    """
    stated = stated_kinds(stated, names, rows.source, argument)
    columns: dict[str, pl.Series] = {}
    kinds: dict[str, FeatureKind] = {}
    notes = []
    for name in names:
        column = _without_missing(rows, name, values)
        kind, reason = guess_kind(column, is_typed=rows.is_typed)
        if name in taken:
            kind, reason = None, "the name has another meaning here"
        if name in stated:
            given = stated[name]
            kind = None if given == "none" else given  # type: ignore[assignment]
            reason = f"{argument}=… leaves it out"
        if kind is None:
            notes.append(f"{rows.source}: {name}: not used ({reason})")
            continue
        columns[name] = READ[kind](rows, column)
        kinds[name] = kind
        notes.append(f"{rows.source}: {name}: {describe_kind(kind, columns[name])}")
    return FeatureColumns(columns, kinds, tuple(notes))


def _without_missing(rows: Rows, name: str, values: Values) -> pl.Series:
    """Returns a column with nulls for missing values.

    In a text file, the other values are numbers if all of them can be.
    """
    column = rows.frame[name]
    absent = absent_in(column, values.missing)
    if absent is None:
        return column
    present = pl.select(pl.when(~absent).then(column)).to_series().alias(name)
    if rows.is_typed or present.dtype != pl.String:
        return present
    return as_numbers(present, rows.decimal)


def _texts(rows: Rows, column: pl.Series) -> pl.Series:
    """Returns values as text; whole numbers that are stored as floats have no decimal point."""
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        _refuse(rows, column, column.is_not_null(), "a text")
    if column.dtype.is_float() and (column == column.floor()).fill_null(value=True).all():
        column = column.cast(pl.Int64)
    return column.cast(pl.String)


def _lists(rows: Rows, column: pl.Series) -> pl.Series:
    """Returns lists of texts; a text is split at each `|`, without spaces around."""
    if isinstance(column.dtype, pl.List | pl.Array):
        return column.cast(pl.List(pl.String))
    texts = _texts(rows, column).str.split("|").list.eval(pl.element().str.strip_chars())
    return texts.list.eval(pl.element().filter(pl.element() != ""))


def _numbers(rows: Rows, column: pl.Series) -> pl.Series:
    numbers = column.cast(pl.Float64, strict=False)
    bad = column.is_not_null() & ~numbers.is_finite().fill_null(value=False)
    _refuse(rows, column, bad, "a number")
    return numbers


def _dates(rows: Rows, column: pl.Series) -> pl.Series:
    """Returns Int64 seconds since 1970 UTC.

    Raises:
        DataError: a value is not a date.
    """
    present = column.is_not_null()
    times = read_times(rows.with_column(column).only(present), column.name)
    if times.unit == "order":
        _refuse(rows, column, present, "a date")
    seconds = pl.Series(column.name, [None] * len(column), dtype=pl.Int64)
    return seconds.scatter(present.arg_true(), times.seconds)


def _vectors(rows: Rows, column: pl.Series) -> pl.Series:
    """Returns arrays of Float32.

    Raises:
        DataError: a value is not a list of finite numbers, or of another length than the first.
    """
    if not isinstance(column.dtype, pl.List | pl.Array):
        _refuse(rows, column, column.is_not_null(), "a list of numbers")
    try:
        lists = column.cast(pl.List(pl.Float32))
    except pl.exceptions.PolarsError:
        _refuse(rows, column, column.is_not_null(), "a list of numbers")
        raise
    size = next(iter(lists.drop_nulls().list.len()), 1)
    is_good = (lists.list.len() == size) & lists.list.eval(pl.element().is_finite()).list.all()
    has_null = lists.list.eval(pl.element().is_null()).list.any()
    bad = lists.is_not_null() & ~(is_good & ~has_null).fill_null(value=False)
    _refuse(rows, column, bad, f"a list of {size} numbers")
    return lists.cast(pl.Array(pl.Float32, size))


def _refuse(rows: Rows, column: pl.Series, bad: pl.Series, expected: str) -> None:
    """Raises DataError if the mask marks a value."""
    if bad.any():
        row = int(bad.arg_max() or 0)
        is_list = isinstance(column.dtype, pl.List | pl.Array)
        value = column[row].to_list() if is_list else column[row]
        text = str(value)
        shown = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
        raise DataError(
            f'{rows.at(column.name, row)}: "{shown}" is not {expected}; correct it, or leave '
            'the column out (when training, with the kind "none")'
        )


READ: dict[FeatureKind, Callable[[Rows, pl.Series], pl.Series]] = {
    "category": _texts,
    "categories": _lists,
    "number": _numbers,
    "text": _texts,
    "date": _dates,
    "vector": _vectors,
}
"""Reads a column of each kind: texts, lists of texts, Float64, texts, Int64 seconds, arrays."""
