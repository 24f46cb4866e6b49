"""Missing values: finds rows that lack an id, a time or a weight, and drops or refuses them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import polars as pl

from tastemaker.data.ids import IdKind
from tastemaker.data.rows import Rows, places_in_words
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
    kept, absences = find_complete_rows(rows, required, values)
    if absences.n_incomplete == 0:
        return rows, ()
    if not values.drop_missing or absences.n_incomplete == absences.n_rows:
        raise absences.error(rows.source, drop_missing=values.drop_missing)
    return kept, (absences.note(),)


@dataclass(frozen=True)
class AbsentValues:
    """The missing values of one column."""

    content: str
    """What the column holds, for messages."""
    n: int = 0
    spellings: Counter[str] = field(default_factory=Counter)
    """How the missing values are spelled; empty for those that are empty."""
    first: tuple[tuple[str, str], ...] = ()
    """Places of the first rows."""


@dataclass(frozen=True)
class Absences:
    """The rows of a table that lack a required value. Those of its parts can be added."""

    n_rows: int = 0
    n_incomplete: int = 0
    columns: Mapping[str, AbsentValues] = field(default_factory=dict)
    """The required columns by name, if any value is missing."""

    @property
    def lacking(self) -> dict[str, AbsentValues]:
        """The columns in which values are missing, by name."""
        return {name: values for name, values in self.columns.items() if values.n}

    def __add__(self, other: "Absences") -> "Absences":
        columns = dict(self.columns)
        for name, more in other.columns.items():
            known = columns.get(name)
            columns[name] = more if known is None else AbsentValues(
                more.content, known.n + more.n, known.spellings + more.spellings,
                (known.first + more.first)[:SHOWN_ROWS],
            )  # fmt: skip
        return Absences(self.n_rows + other.n_rows, self.n_incomplete + other.n_incomplete, columns)

    def note(self) -> str:
        """Describes the rows, which are left out."""
        counts = [
            f"{values.n:,} without the {values.content}{_in_words(values.spellings)}"
            for values in self.lacking.values()
        ]
        return (
            f"missing values: {self.n_incomplete:,} of {self.n_rows:,} rows are left out, "
            + ", ".join(counts)
        )

    def error(self, source: str, *, drop_missing: bool) -> DataError:
        """Returns the error for rows that must not be left out, or of which none is left."""
        if drop_missing:
            return DataError(
                f"{source}: each of the {self.n_rows:,} rows lacks a required value, so no row is "
                "left"
            )
        messages = [_missing_message(name, values) for name, values in self.lacking.items()]
        any_spelled = any(values.spellings for values in self.columns.values())
        return DataError(
            f"{source}: {'; '.join(messages)}. Fill in the missing values, or leave out "
            f"{self.n_incomplete:,} of {self.n_rows:,} rows with drop_missing=True"
            + "; to read such texts as values, remove them from missing=…"
            * any_spelled
        )


def find_complete_rows(
    rows: Rows, required: Mapping[str, str], values: Values
) -> tuple[Rows, Absences]:
    """Returns the rows in which no required value is missing, and what is known of the others.

    Args:
        rows: the table as it was read.
        required: as for `complete_rows`.
        values: which texts stand for a missing value.
    """
    masks = {name: absent_in(rows.frame[name], values.missing) for name in required}
    absent = {name: mask for name, mask in masks.items() if mask is not None}
    if not absent:
        return rows, Absences(rows.frame.height)
    incomplete = pl.select(pl.any_horizontal(*absent.values())).to_series()
    columns = {
        name: AbsentValues(content)
        if name not in absent
        else AbsentValues(
            content,
            int(absent[name].sum()),
            _spellings(rows.frame[name], absent[name]),
            tuple(rows.place(row) for row in absent[name].arg_true().head(SHOWN_ROWS)),
        )
        for name, content in required.items()
    }
    absences = Absences(rows.frame.height, int(incomplete.sum()), columns)
    return rows.only(~incomplete), absences


def absent_in(column: pl.Series, missing: Sequence[str]) -> pl.Series | None:
    """Returns a Boolean column that is true where a value is missing; None if none is missing."""
    absent = column.is_null()
    if column.dtype.is_float():
        absent |= column.is_nan().fill_null(value=True)
        if numbers := _whole_numbers(missing):
            absent |= column.is_in([float(number) for number in numbers]).fill_null(value=True)
    elif column.dtype == pl.String or isinstance(column.dtype, pl.Categorical | pl.Enum):
        text = column.cast(pl.String).str.strip_chars()
        absent |= text.is_in(["", *missing]).fill_null(value=True)
    elif column.dtype.is_integer() and (numbers := _whole_numbers(missing)):
        absent |= column.cast(pl.Int64, strict=False).is_in(numbers).fill_null(value=True)
    return absent if absent.any() else None


def _whole_numbers(texts: Sequence[str]) -> list[int]:
    numbers = pl.Series(list(texts), dtype=pl.String).cast(pl.Int64, strict=False)
    return numbers.drop_nulls().to_list()


def _missing_message(name: str, values: AbsentValues) -> str:
    """Describes one column: `column "user", line 3: the user id is missing (1 "NA")`."""
    places = places_in_words(values.first)
    if values.n > SHOWN_ROWS:
        places += f", … ({values.n:,} rows)"
    spelled = _in_words(values.spellings)
    return f'column "{name}", {places}: the {values.content} is missing{spelled}'


def _spellings(column: pl.Series, absent: pl.Series) -> Counter[str]:
    """Counts the spellings of missing values, except the empty text."""
    if column.dtype.is_float():
        return Counter()
    spelled = column.filter(absent).cast(pl.String).str.strip_chars()
    counts = spelled.filter(spelled != "").value_counts(sort=True)
    return Counter(dict(counts.iter_rows()))


def _in_words(spellings: Counter[str]) -> str:
    """Lists spellings with their numbers, as ` (2 "NA", 1 "nan")`; "" if there are none."""
    ordered = sorted(spellings.items(), key=lambda spelling: (-spelling[1], spelling[0]))
    listed = ", ".join(f'{n:,} "{text}"' for text, n in ordered)
    return f" ({listed})" if listed else ""
