"""Interactions: who touched what, and when, as a validated table."""

from dataclasses import dataclass

import polars as pl

from tastemaker.data.columns import Columns
from tastemaker.data.times import read_times
from tastemaker.errors import DataError
from tastemaker.shown import short_repr


@dataclass(frozen=True)
class Interactions:
    """A validated log of interactions, in the order in which it came.

    Ids are Int64 or String and keep that type all the way out. Interactions of one user at one time
    keep their input order, so that one file gives one split, always.
    """

    frame: pl.DataFrame
    """user_id, item_id, and where the source has them timestamp (Int64, seconds since 1970 UTC),
    rating (Float32) and weight (Float32, not negative)."""
    name: str
    """What the data are called in results and errors."""
    time_unit: str | None = None
    """The unit seen in the source; "order" where times are ranks rather than a clock."""
    notes: tuple[str, ...] = ()
    """What reading decided on its own: guessed columns, the unit of time."""

    __repr__ = short_repr

    @classmethod
    def from_frame(
        cls, frame: pl.DataFrame, columns: Columns, name: str, time_format: str | None = None
    ) -> "Interactions":
        """Validates a table and gives its columns their standard names and types.

        Raises:
            DataError: with column, row (counted from 1, the header left out) and value, for an
                empty table, a missing id, a time that cannot be read or a negative weight.
        """
        if frame.height == 0:
            raise DataError(f"{name}: there are no rows; at least one interaction is needed")
        roles = columns.by_role()
        notes = [f"columns: {columns.describe()}"]
        out = {
            "user_id": read_ids(frame[roles["user"]], "user", name),
            "item_id": read_ids(frame[roles["item"]], "item", name),
        }
        exact, unit = None, None
        if "time" in roles:
            times = read_times(without_nulls(frame[roles["time"]], "time", name), name, time_format)
            out["timestamp"], exact, unit = times.seconds, times.exact, times.unit
            notes.append(f"time: {_described(unit)}")
        if "rating" in roles:
            out["rating"] = _numbers(frame[roles["rating"]], "rating", name)
        if "weight" in roles:
            out["weight"] = _weights(frame[roles["weight"]], name)
        table = pl.DataFrame({column: series.alias(column) for column, series in out.items()})
        if exact is not None and (exact.dtype.is_float() or unit not in ("order", "seconds")):
            # Whole seconds would lose the order of events within one second; input order keeps it.
            table = table[exact.arg_sort()] if not exact.is_sorted() else table
        return cls(table, name, unit, tuple(notes))

    def __len__(self) -> int:
        return self.frame.height


def _described(unit: str) -> str:
    return "an order (small whole numbers), not a clock" if unit == "order" else unit


def without_nulls(column: pl.Series, role: str, name: str) -> pl.Series:
    """The column.

    Raises:
        DataError: a value is missing; says in which row.
    """
    if column.null_count():
        row = int(column.is_null().arg_max() or 0)
        raise DataError(
            f'{name}: column "{column.name}", row {row + 1}: the {role} is missing; '
            f"remove the {column.null_count():,} such row(s) or fill them in"
        )
    return column


def read_ids(column: pl.Series, role: str, name: str) -> pl.Series:
    """Ids as whole numbers or text.

    Raises:
        DataError: one is missing, or they are of another kind.
    """
    column = without_nulls(column, f"{role} id", name)
    if column.dtype.is_integer():
        return _whole(column, role, name)
    if column.dtype == pl.String or isinstance(column.dtype, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if column.dtype.is_float() and (column == column.floor()).all():
        return _whole(column, role, name)
    raise DataError(
        f'{name}: column "{column.name}" holds {column.dtype}, which cannot be a {role} id; '
        "use whole numbers or text"
    )


def _whole(column: pl.Series, role: str, name: str) -> pl.Series:
    whole = column.cast(pl.Int64, strict=False)
    if whole.null_count():
        row = int(whole.is_null().arg_max() or 0)
        raise DataError(
            f'{name}: column "{column.name}", row {row + 1}: {column[row]} is too large for a '
            f"whole-number {role} id (64 bits); store the ids as text"
        )
    return whole


def _numbers(column: pl.Series, role: str, name: str) -> pl.Series:
    numbers = column.cast(pl.Float32, strict=False)
    bad = numbers.is_null() & column.is_not_null()
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise DataError(
            f'{name}: column "{column.name}", row {row + 1}: "{column[row]}" is not a number, '
            f"so it cannot be a {role}"
        )
    return numbers


def _weights(column: pl.Series, name: str) -> pl.Series:
    weights = _numbers(without_nulls(column, "weight", name), "weight", name)
    bad = ~(weights.is_finite() & (weights >= 0))
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise DataError(
            f'{name}: column "{column.name}", row {row + 1}: {column[row]} cannot be a weight; '
            "weights are 0 or above (use min_rating=… to keep only what was liked)"
        )
    return weights
