"""Missing values: finds rows that lack an id, a time or a weight, and drops or refuses them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import polars as pl

from tastemaker.data.ids import IdKind
from tastemaker.data.rows import Rows
from tastemaker.errors import ConfigError, DataError

MISSING = ("NA", "N/A", "n/a", "<NA>", "NULL", "null", "NaN", "nan", "None")
"""Texts that stand for a missing value in a column of ids, times, ratings or weights. An empty
text, a null and a float NaN are always missing values."""

SHOWN_ROWS = 3
"""Number of rows that a message names for one column."""


@dataclass(frozen=True)
class Values:
    """How the values of ids, times, ratings and weights are read."""

    missing: Sequence[str] = MISSING
    """Texts that stand for a missing value."""
    drop_missing: bool = False
    """Whether rows that lack an id, a time or a weight are left out; if not, they are an error."""
    ids: IdKind | None = None
    """Type to which the ids of users and items are converted; None keeps their type."""

    def __post_init__(self) -> None:
        if isinstance(self.missing, str):
            raise ConfigError(f"missing={self.missing!r} is a single text; give a list of texts")
        if self.ids is not None and self.ids not in get_args(IdKind):
            raise ConfigError(f'ids={self.ids!r} is not known; use ids="text" or ids="integer"')


USUAL_VALUES = Values()


def complete_rows(
    rows: Rows, required: Mapping[str, str], values: Values
) -> tuple[Rows, tuple[str, ...]]:
    """Returns the rows in which no required value is missing, and notes about the others.

    Args:
        rows: the table as it was read.
        required: column name to the content of the column, as in {"visitor": "user id"}.
        values: which texts stand for a missing value, and whether to leave the rows out.

    Raises:
        DataError: values are missing and rows are not to be left out, or no row is left. The
            message names all columns, with the number of missing values and the first rows.
    """
    masks = {name: absent_in(rows.frame[name], values.missing) for name in required}
    absent = {name: mask for name, mask in masks.items() if mask is not None}
    if not absent:
        return rows, ()
    incomplete = pl.select(pl.any_horizontal(*absent.values())).to_series()
    n, n_rows = int(incomplete.sum()), rows.frame.height
    if not values.drop_missing:
        messages = [
            _missing_message(rows, name, required[name], mask) for name, mask in absent.items()
        ]
        any_spelled = any(_spellings(rows.frame[name], mask) for name, mask in absent.items())
        raise DataError(
            f"{rows.source}: {'; '.join(messages)}. Fill in the missing values, or leave out "
            f"{n:,} of {n_rows:,} rows with drop_missing=True"
            + "; to read such texts as values, remove them from missing=…"
            * any_spelled
        )
    if n == n_rows:
        raise DataError(
            f"{rows.source}: each of the {n:,} rows lacks a required value, so no row is left"
        )
    counts = [
        f"{int(mask.sum()):,} without the {required[name]}{_spellings(rows.frame[name], mask)}"
        for name, mask in absent.items()
    ]
    note = f"missing values: {n:,} of {n_rows:,} rows are left out, {', '.join(counts)}"
    return rows.only(~incomplete), (note,)


def absent_in(column: pl.Series, missing: Sequence[str]) -> pl.Series | None:
    """Returns a Boolean column that is true where a value is missing; None if none is missing."""
    absent = column.is_null()
    if column.dtype.is_float():
        absent |= column.is_nan().fill_null(value=True)
    elif column.dtype == pl.String or isinstance(column.dtype, pl.Categorical | pl.Enum):
        text = column.cast(pl.String).str.strip_chars()
        absent |= text.is_in(["", *missing]).fill_null(value=True)
    elif column.dtype.is_integer() and (numbers := _whole_numbers(missing)):
        absent |= column.cast(pl.Int64, strict=False).is_in(numbers).fill_null(value=True)
    return absent if absent.any() else None


def _whole_numbers(texts: Sequence[str]) -> list[int]:
    numbers = pl.Series(list(texts), dtype=pl.String).cast(pl.Int64, strict=False)
    return numbers.drop_nulls().to_list()


def _missing_message(rows: Rows, name: str, description: str, absent: pl.Series) -> str:
    """Describes one column: `column "user", line 3: the user id is missing (1 "NA")`."""
    places, n = rows.places(*absent.arg_true().head(SHOWN_ROWS)), int(absent.sum())
    if n > SHOWN_ROWS:
        places += f", … ({n:,} rows)"
    spelled = _spellings(rows.frame[name], absent)
    return f'column "{name}", {places}: the {description} is missing{spelled}'


def _spellings(column: pl.Series, absent: pl.Series) -> str:
    """Lists the spellings of missing values, as ` (2 "NA", 1 "nan")`; "" if all are empty."""
    if column.dtype.is_float():
        return ""
    spelled = column.filter(absent).cast(pl.String).str.strip_chars()
    counts = spelled.filter(spelled != "").value_counts(sort=True)
    listed = ", ".join(f'{n:,} "{text}"' for text, n in counts.iter_rows())
    return f" ({listed})" if listed else ""
