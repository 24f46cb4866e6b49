"""Kinds of features: what a column of a table of items or users says, as guessed or as stated."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import polars as pl

from tastemaker.data.columns import ITEM_KEYS, normalized_name
from tastemaker.errors import ConfigError, DataError, did_you_mean

FeatureKind = Literal["category", "categories", "number", "text", "date", "vector"]
"""category: one of some values; categories: a list of them; number; text: words; date; vector: a
list of numbers, such as an embedding."""

KINDS = (*get_args(FeatureKind), "none")
"""What can be stated of a column; none leaves the column out."""

WORDS_OF_TEXT = 3
"""Text of at least so many words on average, most of it different, is read as words."""

LISTS_WITH_BARS = 0.1
"""If at least this fraction of the texts of a column contains a `|`, they are lists."""

ISO_DATE = r"^\d{4}-\d\d-\d\d([T ]|$)"


class Guess(NamedTuple):
    """The guessed kind of a column."""

    kind: FeatureKind | None
    """None for a column that is not used."""
    reason: str = ""
    """Why the column is not used."""


def guess_kind(column: pl.Series, *, is_typed: bool) -> Guess:
    """Guesses the kind of a column from its type, its values and, for whole numbers, its name.

    Args:
        column: the values, with nulls for missing ones.
        is_typed: whether the source distinguishes numbers from text.
    """
    values = column.drop_nulls()
    if values.is_empty():
        return Guess(None, "empty")
    if isinstance(column.dtype, pl.List | pl.Array):
        return _guess_of_lists(values)
    if column.n_unique() == 1:
        return Guess(None, "the same in each row")
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        return Guess("date")
    if column.dtype.is_numeric() and not (column.dtype.is_integer() and is_code(column.name)):
        return Guess("number")
    if column.dtype == pl.Boolean:
        return Guess("category")
    if column.dtype.is_integer() or isinstance(column.dtype, pl.Categorical | pl.Enum | pl.String):
        return _guess_of_texts(values.cast(pl.String), is_typed=is_typed)
    return Guess(None, f"of the type {column.dtype}")


def is_code(name: str) -> bool:
    """Returns whether whole numbers in a column of this name are codes rather than amounts.

    The last word of such a name is id or code (`brand_id`, `zipCode`), or it is a usual name of an
    item's id, such as sku.
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    last_word = re.split(r"[^A-Za-z0-9]+", words.strip())[-1].lower()
    return last_word in ("id", "ids", "code", "codes") or normalized_name(name) in ITEM_KEYS


def stated_kinds(
    stated: Mapping[str, str], available: Sequence[str], source: str, argument: str
) -> Mapping[str, str]:
    """Returns the kinds that were stated, after checking them.

    Args:
        stated: column name to kind.
        available: the columns that can be features.
        source: name of the table in messages.
        argument: name of the Python argument in messages.

    Raises:
        ConfigError: a kind is unknown.
        DataError: there is no such column.
    """
    for name, kind in stated.items():
        if kind not in KINDS:
            raise ConfigError(
                f'{argument}=…: "{kind}" of column "{name}" is not a kind of feature; '
                + did_you_mean(kind, KINDS)
            )
        if name not in available:
            raise DataError(
                f'{source}: there is no column "{name}" for a feature ({argument}=…); '
                + did_you_mean(name, available)
            )
    return stated


def describe_kind(kind: FeatureKind, column: pl.Series) -> str:
    """Describes a kind for a note: `number`, `category (120 values)`, `vector (64 numbers)`."""
    if kind in ("category", "categories"):
        values = column.explode() if kind == "categories" else column
        return f"{kind} ({values.drop_nulls().n_unique():,} values)"
    if isinstance(column.dtype, pl.Array):
        return f"{kind} ({column.dtype.size:,} numbers)"
    return kind


def _guess_of_lists(values: pl.Series) -> Guess:
    inner = values.explode().drop_nulls()
    if inner.dtype.is_float():
        n_numbers = values.cast(pl.List(inner.dtype)).list.len().n_unique()
        return Guess("vector") if n_numbers == 1 else Guess(None, "lists of different lengths")
    if inner.is_empty():
        return Guess(None, "empty")
    if inner.dtype.is_integer() or isinstance(inner.dtype, pl.Categorical | pl.Enum | pl.String):
        return Guess("categories")
    return Guess(None, f"of the type {values.dtype}")


def _guess_of_texts(values: pl.Series, *, is_typed: bool) -> Guess:
    numbers = values.cast(pl.Float64, strict=False).is_finite().fill_null(value=False)
    if not is_typed and not is_code(values.name) and numbers.all():
        return Guess("number")
    if values.str.contains(ISO_DATE).all():
        return Guess("date")
    if values.str.contains("|", literal=True).mean() >= LISTS_WITH_BARS:  # type: ignore[operator]
        return Guess("categories")
    n_values = values.n_unique()
    n_words = values.str.count_matches(r"\S+").mean()
    if n_values > len(values) / 2 and n_words >= WORDS_OF_TEXT:  # type: ignore[operator]
        return Guess("text")
    if n_values == len(values):
        return Guess(None, "unique to each row")
    return Guess("category")
