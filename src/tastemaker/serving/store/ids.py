"""Ids: text in the database, their own type (text or integer) in data and responses."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from tastemaker.data.vocabulary import UNKNOWN, Vocabulary
from tastemaker.errors import UnknownIdError

Id = int | str

COLUMN_LOOK_UP_FROM = 100
"""Number of ids from which it is faster to look all of them up as a column."""


def key_of(vocabulary: Vocabulary, id_value: Id) -> str:
    """Returns the key of an id, its text in the database: "7" both for 7 and for "7".

    Raises:
        UnknownIdError: the id is text, such as "abc", where the ids of items are whole numbers.
    """
    text = str(id_value)
    if vocabulary.is_text or _is_integer(text):
        return text
    if vocabulary.kind == "user":
        return text  # an unseen user with an id of another system
    raise UnknownIdError(
        f"{vocabulary.kind} {text} is unknown: the {vocabulary.kind} ids of this service are whole "
        f"numbers (for example {vocabulary.ids[0]})"
    )


def id_of(vocabulary: Vocabulary, key: str) -> Id:
    """Returns the id of a key, in its own type."""
    return int(key) if not vocabulary.is_text and _is_integer(key) else key


def code_of(vocabulary: Vocabulary, key: str) -> int:
    """Returns the code of a key; UNKNOWN if its id is not in the data."""
    id_value = id_of(vocabulary, key)
    if isinstance(id_value, str) != vocabulary.is_text:
        return UNKNOWN
    return vocabulary.code_of(id_value)


def codes_of(vocabulary: Vocabulary, keys: Sequence[str] | pl.Series) -> np.ndarray:
    """Returns (n,) int32 codes of keys, as `code_of` does for each, but faster for many."""
    if len(keys) < COLUMN_LOOK_UP_FROM:
        return np.array([code_of(vocabulary, key) for key in keys], dtype=np.int32)
    texts = pl.Series(keys, dtype=pl.String)
    if vocabulary.is_text:
        return vocabulary.find(texts)
    numbers = texts.cast(pl.Int64, strict=False)
    codes = np.full(len(texts), UNKNOWN, dtype=np.int32)
    # A number has a single spelling, so "007" is not 7.
    is_integer = (numbers.cast(pl.String) == texts).fill_null(value=False).to_numpy()
    codes[is_integer] = vocabulary.find(numbers.filter(is_integer))
    return codes


def _is_integer(text: str) -> bool:
    """Whether a text is the usual spelling of a 64-bit integer: "7", but not "007"."""
    digits = text.removeprefix("-")
    return (
        digits.isascii()
        and digits.isdigit()
        and str(int(text)) == text
        and -(2**63) <= int(text) < 2**63
    )
