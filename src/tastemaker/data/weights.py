"""Weights of events: that of the kind of an event times a value such as a number of plays."""

import re
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
    notes, columns, weights, kinds, transform = [], {}, None, None, None
    if weight is not None:
        amounts = _amounts(rows, weight, values)
        transform = weighting.transform
        if transform == "auto":
            transform = chosen_transform(amounts)
        weights = transform_weights(amounts, transform)
        notes.append(_described(weight, amounts, transform, asked=weighting.transform))
    if event is not None:
        kinds = EventKinds.of() if weighting.kinds is None else weighting.kinds
        names = rows.frame[event].cast(pl.String)
        codes, kinds = kinds.encode(names, f'{rows.source}, column "{event}"')
        notes.append(kinds.describe())
        columns["kind"] = pl.Series(codes)
        of_kinds = kinds.weight_of_code[codes]
        if weights is not None:
            weights = of_kinds * np.nan_to_num(weights, nan=1.0)
        elif (of_kinds[~kinds.is_negative[codes]] != 1).any():
            weights = of_kinds
    if weights is not None:
        columns["weight"] = pl.Series(weights, dtype=pl.Float32)
    return Weighed(columns, kinds, transform, notes)


def chosen_transform(amounts: np.ndarray) -> str:
    """Returns the transformation that "auto" stands for.

    Args:
        amounts: (n,) float32, 0 or above, NaN where a value is missing.
    """
    positive = amounts[amounts > 0]
    if len(positive) == 0:
        return "none"
    median, high = np.quantile(positive, (0.5, 0.99))
    return "log1p" if high > HEAVY_TAIL * median else "none"


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


def _amounts(rows: Rows, name: str, values: Values) -> np.ndarray:
    """Returns (n,) float32, NaN where a value is missing."""
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


def _described(name: str, amounts: np.ndarray, transform: str, *, asked: str) -> str:
    """Describes the transformation in a line for a log."""
    line = (
        f"weights: {name}, transformed by {transform}"
        if transform != "none"
        else f"weights: {name}"
    )
    if transform != "none" and asked == "auto":
        median, high = np.nanmedian(amounts), np.nanmax(amounts)
        line += (
            f" because of a heavy tail (median {median:g}, maximum {high:g}); "
            'weight_transform="none" uses the values as they are'
        )
    return line
