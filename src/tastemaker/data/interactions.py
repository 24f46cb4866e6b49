"""Interactions: a validated table of which user touched which item, and when."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from tastemaker.data.columns import EVENT_NAMES, Columns, first_match
from tastemaker.data.event_kinds import EventKinds
from tastemaker.data.ids import read_ids
from tastemaker.data.missing import USUAL_VALUES, Values, absent_in, complete_rows
from tastemaker.data.numbers import read_numbers
from tastemaker.data.rows import Rows
from tastemaker.data.times import read_times
from tastemaker.data.weights import Weighting, read_weights
from tastemaker.errors import DataError
from tastemaker.representation import short_repr

REQUIRED = {
    "user": "user id", "item": "item id", "time": "time", "event": "kind of event",
    "weight": "weight",
}  # fmt: skip
"""Roles whose column, if there is one, must have a value in each row, and names of the values. With
kinds of events, a row without a weight has that of its kind."""


@dataclass(frozen=True)
class Interactions:
    """A validated log of interactions.

    The rows are in input order, or in order of time if the times may be finer than a second. Ids
    are Int64 or String and keep that type in all results. Interactions of one user at one time keep
    their input order, so that the same file always gives the same split.
    """

    frame: pl.DataFrame
    """user_id, item_id, and if the source has them timestamp (Int64, seconds since 1970 UTC),
    rating (Float32), kind (Int8, a code of `kinds`) and weight (Float32, not negative)."""
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
    kinds: EventKinds | None = None
    """What the kinds of events mean; None if the source has no column of kinds."""
    weight_transform: str | None = None
    """How the values of the weight column became weights, as for `transform_weights`; None if there
    is no such column."""
    user_column: str = "user_id"
    """Name of the user column in the source; a table of the users may use the same name."""

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
        weighting: Weighting = Weighting(),  # noqa: B008, frozen
    ) -> "Interactions":
        """Validates a table and gives its columns their standard names and types.

        Args:
            rows: the table as it was read.
            columns: its columns by role.
            time_format: a strftime pattern, for times as text that are not ISO 8601.
            values: which texts stand for a missing value, whether rows with one are left out, and
                whether ids are text or whole numbers.
            weighting: what kinds of events and values in the weight column weigh.

        Raises:
            DataError: the table is empty, a value is missing, an id is not of the requested type, a
                time cannot be read, a rating or weight is not a number, a weight is negative, or a
                kind of event has no weight; the message gives column, row and value.
        """
        if rows.frame.height == 0:
            raise DataError(f"{rows.source}: there are no rows; at least one interaction is needed")
        roles = columns.by_role()
        n_rows = rows.frame.height
        rows, left_out = complete_rows(rows, required_columns(columns), values)
        unused = [*rows.unused, *(n for n in rows.frame.columns if n not in roles.values())]
        out = {
            "user_id": read_ids(rows, roles["user"], "user", values.ids),
            "item_id": read_ids(rows, roles["item"], "item", values.ids),
        }
        exact, unit = None, None
        if "time" in roles:
            times = read_times(rows, roles["time"], time_format)
            out["timestamp"], exact, unit = times.seconds, times.exact, times.unit
        if "rating" in roles:
            out["rating"] = read_ratings(rows, roles["rating"], values)
        weighed = read_weights(rows, roles.get("event"), roles.get("weight"), values, weighting)
        notes = notes_of_reading(columns, unused, rows.notes, left_out, unit, weighed.notes)
        out |= weighed.columns
        frame = pl.DataFrame({column: series.alias(column) for column, series in out.items()})
        if exact is not None and (exact.dtype.is_float() or unit not in ("order", "seconds")):
            # Whole seconds lose the order of events within one second; the order of rows keeps it.
            frame = frame[exact.arg_sort()] if not exact.is_sorted() else frame
        return cls(
            frame, rows.source, unit, tuple(notes), roles["item"], n_rows - rows.frame.height,
            weighed.kinds, weighed.transform, roles["user"],
        )  # fmt: skip

    def __len__(self) -> int:
        return self.frame.height

    def with_kinds(self, kinds: EventKinds) -> "Interactions":
        """Returns the same events with the codes of `kinds`, which must include all of theirs."""
        if self.kinds is None or self.kinds == kinds:
            return self
        names = pl.Series(self.kinds.names).gather(self.frame["kind"])
        frame = self.frame.with_columns(kind=pl.Series(kinds.codes(names)))
        return replace(self, frame=frame, kinds=kinds)


def required_columns(columns: Columns) -> dict[str, str]:
    """Returns the columns that must have a value in each row, and names of their values."""
    roles = columns.by_role()
    required = {roles[role]: value for role, value in REQUIRED.items() if role in roles}
    if "event" in roles and "weight" in roles:
        del required[roles["weight"]]
    return required


def notes_of_reading(
    columns: Columns,
    unused: Sequence[str],
    of_reader: Iterable[str],
    left_out: Iterable[str],
    unit: str | None,
    of_weights: Iterable[str],
) -> list[str]:
    """Returns the notes on how a table was read, in the usual order.

    Args:
        columns: the columns by role.
        unused: the columns without a role.
        of_reader: the notes of the reader.
        left_out: notes on rows that lack a value.
        unit: the unit of time, if there are times.
        of_weights: notes on weights and kinds of events.
    """
    notes = [f"columns: {columns.describe()}{_unused(unused)}", *of_reader, *left_out]
    if unit is not None:
        notes.append(f"time: {_describe_unit(unit)}")
    return [*notes, *of_weights]


def _describe_unit(unit: str) -> str:
    return "an order (small whole numbers), not clock time" if unit == "order" else unit


def _unused(unused: Sequence[str]) -> str:
    """Returns a clause on the columns that are not used; "" if all are used."""
    if not unused:
        return ""
    clause = f"; not used: {', '.join(name or '(no name)' for name in unused)}"
    kind = first_match(unused, EVENT_NAMES)
    return (
        f'{clause} (if "{kind}" is the kind of each event, name it with event=…)'
        if kind
        else clause
    )


def read_ratings(rows: Rows, name: str, values: Values) -> pl.Series:
    """Returns the ratings, which may be missing, since only a minimum rating needs them."""
    column = rows.frame[name]
    absent = absent_in(column, values.missing)
    return read_numbers(rows, column if absent is None else column.set(absent, None), "rating")
