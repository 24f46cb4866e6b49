"""Encoders of single features: categories and words as codes, numbers as buckets, vectors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import polars as pl

from tastemaker.data.feature_kinds import FeatureKind

MOST_VALUES = 100_000
"""Largest number of values or words of one feature that have codes; the most frequent ones do."""

WORD_ROWS = 2
"""Number of rows of the training data that must contain a word, so that it has a code."""

BUCKETS = 10
"""Number of buckets of a number, each with about the same number of rows of the training data."""

LARGEST_DEVIATION = 4.0
"""Numbers farther from the mean, in standard deviations, are taken to be at this distance."""

DAY_S = 86_400


class Codes(NamedTuple):
    """The codes of one feature in n rows, and its dense values."""

    rows: np.ndarray
    """(m,) int64 row of each code, ascending."""
    codes: np.ndarray
    """(m,) int64."""
    dense: np.ndarray
    """(n, n_dense) float32; 0 where the value is missing."""


class ColumnEncoder(Protocol):
    """What is learned of one feature in training."""

    @property
    def n_codes(self) -> int:
        """Number of codes."""

    @property
    def n_dense(self) -> int:
        """Number of dense values of a row."""

    def names_of_codes(self) -> list[str]:
        """Returns what each code stands for, to find codes again in another encoder."""

    def encode(self, column: pl.Series) -> Codes:
        """Encodes n values; unknown and missing ones have no code."""

    def state(self) -> tuple[dict[str, Any], np.ndarray | None]:
        """Returns all that was learned as plain data and, if there is one, an array."""


@dataclass(frozen=True, eq=False)
class ValueCodes:
    """A code for each value of a category, each element of lists, or each word of a text."""

    values: list[str]
    """The values, ascending; the code of each is its position."""
    is_text: bool = False
    n_dense = 0

    @classmethod
    def fit(cls, column: pl.Series, kind: FeatureKind) -> Self:
        """Takes the values that occur in the column; words must occur in several rows."""
        is_text = kind == "text"
        counts = _elements(column, is_text=is_text).group_by("value").len()
        if is_text:
            counts = counts.filter(pl.col("len") >= WORD_ROWS)
        frequent = counts.sort("len", "value", descending=[True, False])["value"]
        return cls(frequent.head(MOST_VALUES).sort().to_list(), is_text)

    @property
    def n_codes(self) -> int:
        """Number of values."""
        return len(self.values)

    def names_of_codes(self) -> list[str]:
        """Implements `ColumnEncoder.names_of_codes`."""
        return self.values

    def encode(self, column: pl.Series) -> Codes:
        """Implements `ColumnEncoder.encode`."""
        elements = _elements(column, is_text=self.is_text)
        codes = elements["value"].cast(pl.Enum(self.values), strict=False).to_physical()
        known = codes.is_not_null()
        return Codes(
            elements["row"].filter(known).to_numpy().astype(np.int64),
            codes.filter(known).to_numpy().astype(np.int64),
            np.zeros((len(column), 0), dtype=np.float32),
        )

    def state(self) -> tuple[dict[str, Any], np.ndarray | None]:
        """Implements `ColumnEncoder.state`."""
        return {"values": self.values}, None


@dataclass(frozen=True, eq=False)
class NumberCodes:
    """A standardised value, and the code of its bucket; of a date, these are of its age in days."""

    mean: float
    deviation: float
    edges: list[float]
    """Quantiles that divide the buckets, ascending."""
    newest: int | None = None
    """The time, in seconds since 1970 UTC, from which ages are counted; None for a number."""
    n_dense = 1

    @classmethod
    def fit(cls, column: pl.Series, kind: FeatureKind, newest: int | None) -> Self:
        """Takes mean, deviation and quantiles of the column.

        Args:
            column: the values.
            kind: number or date.
            newest: time of the newest event; by default the newest date of the column.
        """
        start = None
        if kind == "date":
            start = int(column.max() or 0) if newest is None else newest  # type: ignore[arg-type]
        values = _amounts(column, start).drop_nulls().to_numpy()
        if len(values) == 0:
            return cls(0.0, 1.0, [], start)
        quantiles = np.quantile(values, np.arange(1, BUCKETS) / BUCKETS, method="higher")
        # A bucket begins at its edge, so the smallest value can be none.
        edges = np.unique(quantiles[quantiles > values.min()])
        return cls(float(values.mean()), float(values.std()) or 1.0, edges.tolist(), start)

    @property
    def n_codes(self) -> int:
        """Number of buckets."""
        return len(self.edges) + 1

    def names_of_codes(self) -> list[str]:
        """Implements `ColumnEncoder.names_of_codes`."""
        return [f"{bucket} of {self.n_codes}" for bucket in range(self.n_codes)]

    def encode(self, column: pl.Series) -> Codes:
        """Implements `ColumnEncoder.encode`."""
        values = _amounts(column, self.newest)
        rows = values.is_not_null().arg_true().to_numpy().astype(np.int64)
        numbers = values.drop_nulls().to_numpy()
        dense = np.zeros((len(column), 1), dtype=np.float32)
        standardised = (numbers - self.mean) / self.deviation
        dense[rows, 0] = standardised.clip(-LARGEST_DEVIATION, LARGEST_DEVIATION)
        return Codes(rows, np.searchsorted(self.edges, numbers, side="right"), dense)

    def state(self) -> tuple[dict[str, Any], np.ndarray | None]:
        """Implements `ColumnEncoder.state`."""
        return dict(vars(self)), None


@dataclass(frozen=True, eq=False)
class Directions:
    """A vector without its mean, scaled to length 1; 0 where it is missing."""

    mean: np.ndarray
    """(n_dense,) float32."""
    n_codes = 0

    @classmethod
    def fit(cls, column: pl.Series) -> Self:
        """Takes the mean of the column's vectors."""
        assert isinstance(column.dtype, pl.Array)
        vectors = _vectors(column.drop_nulls(), column.dtype.size)
        return cls(vectors.mean(axis=0) if len(vectors) else np.zeros(column.dtype.size, "f4"))

    @property
    def n_dense(self) -> int:
        """Number of entries of a vector."""
        return len(self.mean)

    def names_of_codes(self) -> list[str]:
        """Implements `ColumnEncoder.names_of_codes`."""
        return []

    def encode(self, column: pl.Series) -> Codes:
        """Implements `ColumnEncoder.encode`."""
        rows = column.is_not_null().arg_true().to_numpy()
        vectors = _vectors(column.drop_nulls(), self.n_dense) - self.mean
        dense = np.zeros((len(column), self.n_dense), dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        dense[rows] = vectors / np.where(lengths > 0, lengths, 1)
        return Codes(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), dense)

    def state(self) -> tuple[dict[str, Any], np.ndarray | None]:
        """Implements `ColumnEncoder.state`."""
        return {}, self.mean


def fit_column(column: pl.Series, kind: FeatureKind, newest: int | None) -> ColumnEncoder:
    """Fits the encoder of a feature.

    Args:
        column: the values in the training data, read as in a table of features.
        kind: the kind of the feature.
        newest: time of the newest event of the training data in seconds, if it is known.
    """
    if kind in ("number", "date"):
        return NumberCodes.fit(column, kind, newest)
    return Directions.fit(column) if kind == "vector" else ValueCodes.fit(column, kind)


def restored_column(
    kind: FeatureKind, state: Mapping[str, Any], array: np.ndarray | None
) -> ColumnEncoder:
    """Returns the encoder of a feature from its `state`."""
    if kind in ("number", "date"):
        return NumberCodes(**state)
    if kind == "vector":
        assert array is not None, "the encoder of a vector has an array"
        return Directions(array)
    return ValueCodes(state["values"], kind == "text")


def _elements(column: pl.Series, *, is_text: bool) -> pl.DataFrame:
    """Returns a row for each different element of each value: row and value."""
    values = column
    if is_text:
        values = column.str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]+")
    elements = pl.DataFrame({"value": values}).with_row_index("row")
    if isinstance(values.dtype, pl.List):
        elements = elements.explode("value")
    return elements.drop_nulls().unique(maintain_order=True)


def _amounts(column: pl.Series, newest: int | None) -> pl.Series:
    """Returns Float64 numbers, or the ages of dates in days."""
    return column.cast(pl.Float64) if newest is None else (newest - column) / DAY_S


def _vectors(column: pl.Series, size: int) -> np.ndarray:
    """Returns (n, size) float32."""
    return column.explode().to_numpy().astype(np.float32).reshape(-1, size)
