"""Interactions: a validated table of which user touched which item, and when."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from tastemaker.data.columns import Columns
from tastemaker.data.ids import read_ids
from tastemaker.data.missing import USUAL_VALUES, Values, absent_in, complete_rows
from tastemaker.data.rows import Rows
from tastemaker.data.times import read_times
from tastemaker.errors import DataError
from tastemaker.representation import short_repr

REQUIRED = {"user": "user id", "item": "item id", "time": "time", "weight": "weight"}
"""Roles whose column, if there is one, must have a value in each row, and names of the values."""


@dataclass(frozen=True)
class Interactions:
    """A validated log of interactions.

    The rows are in input order, or in order of time if the times may be finer than a second. Ids
    are Int64 or String and keep that type in all results. Interactions of one user at one time keep
    their input order, so that the same file always gives the same split.
    """

    frame: pl.DataFrame
    """user_id, item_id, and if the source has them timestamp (Int64, seconds since 1970 UTC),
    rating (Float32) and weight (Float32, not negative)."""
    name: str
    """Name of the data in results and errors."""
    time_unit: str | None = None
    """The unit of time in the source; "order" if times are ranks rather than clock times."""
    notes: tuple[str, ...] = ()
    """Decisions made in reading: guessed columns, the unit of time, rows left out."""
    item_column: str = "item_id"
    """Name of the item column in the source; a table of the items may use the same name."""
    n_missing: int = 0
    """Number of rows left out because an id, a time or a weight is missing."""

    __repr__ = short_repr

    @classmethod
    def from_frame(
        cls, frame: pl.DataFrame, columns: Columns, name: str, time_format: str | None = None
    ) -> "Interactions":
        """Validates a dataframe; see `from_rows`."""
        return cls.from_rows(Rows(frame, name), columns, time_format=time_format)

    @classmethod
    def from_rows(
        cls,
        rows: Rows,
        columns: Columns,
        *,
        time_format: str | None = None,
        values: Values = USUAL_VALUES,
    ) -> "Interactions":
        """Validates a table and gives its columns their standard names and types.

        Args:
            rows: the table as it was read.
            columns: its columns by role.
            time_format: a strftime pattern, for times as text that are not ISO 8601.
            values: which texts stand for a missing value, whether rows with one are left out, and
                whether ids are text or whole numbers.

        Raises:
            DataError: the table is empty, a value is missing, an id is not of the requested type, a
                time cannot be read, a rating or weight is not a number, or a weight is negative;
                the message gives column, row and value.
        """
        if rows.frame.height == 0:
            raise DataError(f"{rows.source}: there are no rows; at least one interaction is needed")
        roles = columns.by_role()
        required = {
            roles[role]: description for role, description in REQUIRED.items() if role in roles
        }
        n_rows = rows.frame.height
        rows, left_out = complete_rows(rows, required, values)
        notes = [f"columns: {columns.describe()}", *_unused(rows, roles.values())]
        notes += [*rows.notes, *left_out]
        out = {
            "user_id": read_ids(rows, roles["user"], "user", values.ids),
            "item_id": read_ids(rows, roles["item"], "item", values.ids),
        }
        exact, unit = None, None
        if "time" in roles:
            times = read_times(rows, roles["time"], time_format)
            out["timestamp"], exact, unit = times.seconds, times.exact, times.unit
            notes.append(f"time: {_describe_unit(unit)}")
        if "rating" in roles:
            out["rating"] = _ratings(rows, roles["rating"], values)
        if "weight" in roles:
            out["weight"] = _weights(rows, roles["weight"])
        frame = pl.DataFrame({column: series.alias(column) for column, series in out.items()})
        if exact is not None and (exact.dtype.is_float() or unit not in ("order", "seconds")):
            # Whole seconds lose the order of events within one second; the order of rows keeps it.
            frame = frame[exact.arg_sort()] if not exact.is_sorted() else frame
        return cls(
            frame, rows.source, unit, tuple(notes), roles["item"], n_rows - rows.frame.height
        )

    def __len__(self) -> int:
        return self.frame.height


def _describe_unit(unit: str) -> str:
    return "an order (small whole numbers), not clock time" if unit == "order" else unit


def _unused(rows: Rows, used: Iterable[str]) -> list[str]:
    """Returns a note on the columns that were not used, if there are any."""
    unused = [*rows.unused, *(name for name in rows.frame.columns if name not in used)]
    return [f"unused columns: {', '.join(unused)}"] if unused else []


def _numbers(rows: Rows, column: pl.Series, role: str) -> pl.Series:
    numbers = column.cast(pl.Float32, strict=False)
    bad = numbers.is_null() & column.is_not_null()
    if bad.any():
        row = int(bad.arg_max() or 0)
        value = str(column[row])
        remedy = ""
        if re.fullmatch(r"-?\d+,\d+", value.strip()):
            # A comma may also separate thousands, so it is not silently read as a decimal point.
            remedy = f"; if the comma is a decimal point, write {value.strip().replace(',', '.')}"
        raise DataError(
            f'{rows.at(column.name, row)}: "{value}" is not a number, so it cannot be a '
            f"{role}{remedy}"
        )
    return numbers


def _ratings(rows: Rows, name: str, values: Values) -> pl.Series:
    """Returns the ratings, which may be missing, since only a minimum rating needs them."""
    column = rows.frame[name]
    absent = absent_in(column, values.missing)
    return _numbers(rows, column if absent is None else column.set(absent, None), "rating")


def _weights(rows: Rows, name: str) -> pl.Series:
    weights = _numbers(rows, rows.frame[name], "weight")
    bad = ~(weights.is_finite() & (weights >= 0))
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise DataError(
            f"{rows.at(name, row)}: {rows.frame[name][row]} cannot be a weight; weights must be 0 "
            "or above (to keep only interactions with high ratings, use min_rating=…)"
        )
    return weights
