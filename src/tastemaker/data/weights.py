"""Weights of events: that of the kind of an event times a value such as a number of plays."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from tastemaker.data.event_kinds import EventKinds
from tastemaker.data.missing import Values, absent_in
from tastemaker.data.numbers import read_numbers
from tastemaker.data.rows import Rows
from tastemaker.errors import ConfigError, DataError

HEAVY_TAIL = 20.0
"""Values whose 99th percentile is above this multiple of their median have a heavy tail: a few rows
would determine what is learned."""

_THRESHOLD = re.compile(r"threshold:(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Weighting:
    """What the events of a log weigh. Immutable."""

    transform: str = "auto"
    """How the values of the weight column become weights: "none"; "log1p", ln(1 + value); "sqrt";
    "threshold:X", 1 for a value of at least X, else 0; or "auto", which is log1p for values with a
    heavy tail and none for others."""
    kinds: EventKinds | None = None
    """The weights of the kinds of events; None if each kind has the weight 1."""

    def __post_init__(self) -> None:
        known = self.transform in ("auto", "none", "log1p", "sqrt")
        if not known and not _THRESHOLD.fullmatch(self.transform):
            raise ConfigError(
                f'weight_transform is "{self.transform}"; use "auto", "none", "log1p", "sqrt" or, '
                'to count only values of at least 30, "threshold:30"'
            )


@dataclass(frozen=True)
class Weighed:
    """The weights and kinds of the rows of a table."""

    columns: dict[str, pl.Series] = field(default_factory=dict)
    """kind (Int8) and weight (Float32), as far as the table has them."""
    kinds: EventKinds | None = None
    transform: str | None = None
    """How the values became weights; None if there is no column of values."""
    notes: list[str] = field(default_factory=list)


def read_weights(
    rows: Rows, event: str | None, weight: str | None, values: Values, weighting: Weighting
) -> Weighed:
    """Reads the kinds of events and the values of the weight column.

    A row's weight is that of its kind times its transformed value; without a value, that of its
    kind.

    Args:
        rows: the table.
        event: the column with the kinds of events, if there is one.
        weight: the column with the values, if there is one.
        values: which texts stand for a missing value.
        weighting: the weights of the kinds, and the transformation of the values.

    Raises:
        DataError: a value is negative, infinite or not a number, or a kind has no weight.
    """
    amounts = None if weight is None else read_amounts(rows, weight, values)
    names = None if event is None else rows.frame[event].cast(pl.String)
    rules = WeightRules.of(
        weighting,
        kinds=None if names is None else dict(names.value_counts(sort=True).iter_rows()),
        amounts=None if amounts is None else AmountsSeen.of(amounts),
        event_column=f'{rows.source}, column "{event}"',
        weight_column=str(weight),
    )
    return Weighed(rules.columns(names, amounts), rules.kinds, rules.transform, [*rules.notes])


@dataclass(frozen=True)
class AmountsSeen:
    """Order statistics of the values of a weight column."""

    median_of_positive: float
    high_of_positive: float
    """99th percentile of the values above 0."""
    median: float
    largest: float

    @classmethod
    def of(cls, amounts: np.ndarray) -> "AmountsSeen":
        """Returns the statistics of (n,) float32 values, 0 or above, NaN where one is missing."""
        present = amounts[~np.isnan(amounts)]
        positive = present[present > 0]
        if len(positive) == 0:
            return cls(0.0, 0.0, 0.0, 0.0)
        median, high = np.quantile(positive, (0.5, 0.99))
        return cls(float(median), float(high), float(np.median(present)), float(present.max()))


@dataclass(frozen=True)
class WeightRules:
    """How the kinds and the values of a table become weights. Immutable."""

    kinds: EventKinds | None = None
    transform: str | None = None
    """How the values become weights; None if there is no column of values."""
    is_weighted: bool = False
    """Whether the rows have weights other than 1."""
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        weighting: Weighting,
        *,
        kinds: Mapping[str, int] | None,
        amounts: AmountsSeen | None,
        event_column: str,
        weight_column: str,
    ) -> "WeightRules":
        """Decides what is to be decided from the whole table.

        Args:
            weighting: what is given.
            kinds: number of events of each kind, the most frequent first; None without kinds.
            amounts: what is seen in the column of values; None if there is none.
            event_column: name of the column of kinds in errors.
            weight_column: name of the column of values in notes.

        Raises:
            DataError: as for `EventKinds.encode`, or the name of a kind is misspelt.
        """
        notes, transform, meaning, is_weighted = [], None, None, amounts is not None
        if amounts is not None:
            transform = weighting.transform
            if transform == "auto":
                transform = chosen_transform(amounts)
            notes.append(_described(weight_column, amounts, transform, asked=weighting.transform))
        if kinds is not None:
            given = EventKinds.of() if weighting.kinds is None else weighting.kinds
            meaning = given.completed(kinds, event_column)
            notes.append(meaning.describe())
            absent = given.note_on_absent(kinds, event_column)
            notes.extend([absent] if absent else [])
            positive = (meaning.weight_of(kind) for kind in kinds if kind not in meaning.negative)
            is_weighted |= any(weight != 1 for weight in positive)
        return cls(meaning, transform, is_weighted, tuple(notes))

    def columns(self, names: pl.Series | None, amounts: np.ndarray | None) -> dict[str, pl.Series]:
        """Returns the columns kind (Int8) and weight (Float32) of rows, as far as they have them.

        Args:
            names: (n,) the kinds of the rows, if there are kinds.
            amounts: (n,) float32 values, NaN where one is missing, if there are values.
        """
        columns, weights = {}, None
        if amounts is not None and self.transform is not None:
            weights = transform_weights(amounts, self.transform)
        if names is not None and self.kinds is not None:
            codes = self.kinds.codes(names)
            columns["kind"] = pl.Series(codes)
            if self.is_weighted:
                values = 1 if weights is None else np.nan_to_num(weights, nan=1.0)
                weights = self.kinds.weight_of_code[codes] * values
        if weights is not None:
            columns["weight"] = pl.Series(weights, dtype=pl.Float32)
        return columns


def counting_rows(frame: pl.DataFrame, kinds: EventKinds | None) -> pl.Series | None:
    """Returns a Boolean column: the rows that have a weight or say no; None if all of them do.

    Args:
        frame: rows, with the columns weight and kind as far as there are any.
        kinds: what the kinds mean.
    """
    if "weight" not in frame.columns:
        return None
    counts = frame["weight"] > 0
    if kinds is not None and kinds.negative:
        counts |= pl.Series(kinds.is_negative[frame["kind"].to_numpy()])
    return None if counts.all() else counts


def all_weightless(source: str) -> DataError:
    """Returns the error for data of which `counting_rows` marks no row."""
    return DataError(
        f"{source}: all weights are 0, so no interaction is left; weights above 0 are needed"
    )


def note_on_weightless(n: int) -> str:
    """Returns a note on rows that `counting_rows` does not mark."""
    return f"{n:,} rows of weight 0 are left out"


def chosen_transform(amounts: AmountsSeen) -> str:
    """Returns the transformation that "auto" stands for."""
    heavy = amounts.high_of_positive > HEAVY_TAIL * amounts.median_of_positive
    return "log1p" if heavy else "none"


def transform_weights(amounts: np.ndarray, transform: str) -> np.ndarray:
    """Returns (n,) float32 weights; a row with the weight 0 does not count.

    Args:
        amounts: (n,) float32, 0 or above, NaN where a value is missing; it stays NaN.
        transform: one of those of `Weighting`, but not "auto".
    """
    threshold = threshold_of(transform)
    if threshold is not None:
        reached = (amounts >= threshold).astype(np.float32)
        return np.where(np.isnan(amounts), amounts, reached)
    if transform == "log1p":
        return np.log1p(amounts)
    return np.sqrt(amounts) if transform == "sqrt" else amounts


def threshold_of(transform: str) -> float | None:
    """Returns the X of "threshold:X"; None for another transformation."""
    match = _THRESHOLD.fullmatch(transform)
    return None if match is None else float(match[1])


def read_amounts(rows: Rows, name: str, values: Values) -> np.ndarray:
    """Returns the values of a weight column, (n,) float32, NaN where a value is missing.

    Raises:
        DataError: a value is negative, infinite or not a number.
    """
    column = rows.frame[name]
    absent = absent_in(column, values.missing)
    amounts = read_numbers(rows, column if absent is None else column.set(absent, None), "weight")
    bad = ~(amounts.is_finite() & (amounts >= 0)).fill_null(value=True)
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise DataError(
            f"{rows.at(name, row)}: {column[row]} cannot be a weight; weights must be 0 or above "
            "(to keep only interactions with high ratings, use min_rating=…)"
        )
    return amounts.fill_null(float("nan")).to_numpy()


def _described(name: str, amounts: AmountsSeen, transform: str, *, asked: str) -> str:
    """Describes the transformation in a line for a log."""
    line = (
        f"weights: {name}, transformed by {transform}"
        if transform != "none"
        else f"weights: {name}"
    )
    if transform != "none" and asked == "auto":
        line += (
            f" because of a heavy tail (median {amounts.median:g}, maximum {amounts.largest:g}); "
            'weight_transform="none" uses the values as they are'
        )
    return line
