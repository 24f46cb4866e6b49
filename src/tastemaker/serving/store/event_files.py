"""Event files: export of events to Parquet, CSV or JSON Lines, and import from any table."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from tastemaker.data.columns import Columns, resolve_columns
from tastemaker.data.dataset import Dataset
from tastemaker.data.file_kinds import options_for
from tastemaker.data.ids import IdKind, read_ids
from tastemaker.data.layouts import layout_named
from tastemaker.data.missing import USUAL_VALUES, Values, complete_rows
from tastemaker.data.numbers import read_numbers
from tastemaker.data.rows import Rows, read_rows
from tastemaker.data.times import read_times
from tastemaker.errors import DataError
from tastemaker.serving.store.event_rules import refusal_of
from tastemaker.serving.store.events import SCHEMA, EventStore
from tastemaker.serving.store.file_rows import validated
from tastemaker.serving.store.table_files import refuse_unwritable, write_table
from tastemaker.serving.store.tables import NewEvent
from tastemaker.wire import Event

ROWS_AT_ONCE = 10_000

OPTIONAL = [name for name in SCHEMA if name not in ("event_id", "user_id", "item_id", "timestamp")]
"""Columns that a file of events need not have, beside the id."""


class Imported(NamedTuple):
    """The result of importing a file of events."""

    accepted: int
    duplicates: int
    """Number of events that were stored already."""
    left_out: int
    """Number of rows left out because a value is missing."""


def export_events(store: EventStore, path: Path) -> int:
    """Writes all events in order of arrival; the file appears once it is complete.

    Returns:
        The number of events.

    Raises:
        ConfigError: the file's ending is not supported, or its folder does not exist.
        DatabaseUnavailableError: the database does not answer.
    """
    refuse_unwritable(path)
    frame = pl.concat([pl.DataFrame(schema=SCHEMA), *store.rows()])
    write_table(frame, path)
    return frame.height


def import_events(
    store: EventStore,
    path: Path,
    columns: dict[str, str | None],
    *,
    time_format: str | None = None,
    layout: str | None = None,
    values: Values = USUAL_VALUES,
    data: Dataset | None = None,
    **text: Any,
) -> Imported:
    """Imports the events of a file; none of them if the file has an error.

    The same rules hold as for requests; for example, an event more than a day in the future is
    refused.

    Args:
        store: the store to which the events are added.
        path: a table with at least user, item and time; event_id, type, value and context are
            optional.
        columns: names of the columns for user, item and time; None to guess one.
        time_format: a strftime pattern, for times as text that are not ISO 8601.
        layout: a name in `data.layouts.LAYOUTS`, for a published file that does not name its
            columns. Its kinds of events become the types.
        values: which texts stand for a missing value, and what to do with its row.
        data: the data that the model was trained with, if there is a model.
        **text: how to read a text file, by the fields of `TextFormat`.

    Returns:
        How many events were new, how many were stored already, and how many were left out.

    Raises:
        DataError: the file has an error; names file, column, row and value.
        ConfigError: an option is invalid, or does not apply to this kind of file.
        DatabaseUnavailableError: the database does not answer; what was stored before is kept.
    """
    known = layout_named(layout)
    named = known.columns(columns | {"event": None})
    time_format = time_format or known.time_format
    rows = read_rows(
        path,
        str(path),
        ids=lambda names: _roles_in(names, str(path), named).as_written(time_format),
        how=known.text_format(text),
    )
    if rows.frame.is_empty():
        raise DataError(f"{path}: there are no rows; at least one event is needed")
    roles = _roles_in(rows.frame.columns, rows.source, named)
    rows = known.events(rows)
    frame, left_out = _events_in(rows, roles, time_format, values, data)
    accepted = 0
    for part in frame.iter_slices(ROWS_AT_ONCE):
        accepted += store.append([NewEvent(*row) for row in part.iter_rows()])
    return Imported(accepted, frame.height - accepted, left_out)


def _roles_in(names: list[str], source: str, named: dict[str, str | None]) -> Columns:
    may_lack_header = "has_header" in options_for(source)
    return resolve_columns(
        names, source, may_lack_header=may_lack_header, rating=None, weight=None, **named
    )


def _events_in(
    rows: Rows, roles: Columns, time_format: str | None, values: Values, data: Dataset | None
) -> tuple[pl.DataFrame, int]:
    """Returns the events, with the columns of SCHEMA, and the number of rows left out."""
    if roles.time is None:
        raise DataError(f"{rows.source}: events need a time; name its column with time=…")
    required = {roles.user: "user id", roles.item: "item id", roles.time: "time"}
    n_rows = rows.frame.height
    rows, _ = complete_rows(rows, required, values)
    if "event_id" in rows.frame.columns:
        # The ids of events are of clients' own making, so that "NA" is one of them.
        empty_values = replace(values, missing=("",))
        rows, _ = complete_rows(rows, {"event_id": "event id"}, empty_values)
    table = rows.frame
    column_of = {name: name for name in SCHEMA}
    column_of |= {"user_id": roles.user, "item_id": roles.item, "timestamp": roles.time}
    if roles.event is not None:
        column_of["type"] = roles.event
    is_text = data is not None and data.item_vocabulary.is_text
    item_kind: IdKind | None = "text" if is_text else None
    frame = table.select(
        user_id=read_ids(rows, roles.user, "user").cast(pl.String),
        item_id=read_ids(rows, roles.item, "item", item_kind).cast(pl.String),
        timestamp=read_times(rows, roles.time, time_format).seconds,
        **{name: _optional(name, rows, column_of[name]) for name in OPTIONAL},
    )
    if "event_id" in table.columns:
        event_ids = table["event_id"].cast(pl.String)
    else:
        event_ids = pl.Series([_content_id(row) for row in frame.iter_rows()], dtype=pl.String)
    frame = frame.with_columns(event_id=event_ids).select(list(SCHEMA))
    _refuse_invalid(frame, rows, column_of, data)
    return frame, n_rows - table.height


def _optional(name: str, rows: Rows, column_name: str) -> pl.Expr | pl.Series:
    """Returns a column that a file need not have; missing values become the default of requests."""
    default = pl.lit(Event.model_fields[name].default, SCHEMA[name])
    if column_name not in rows.frame.columns:
        return default
    column = rows.frame[column_name]
    if SCHEMA[name] == pl.Float64:
        return read_numbers(rows, column, name).cast(pl.Float64)
    return pl.lit(column.cast(SCHEMA[name])).fill_null(default)


def _refuse_invalid(
    frame: pl.DataFrame, rows: Rows, columns: dict[str, str], data: Dataset | None
) -> None:
    now = int(time.time())
    for row, event in enumerate(validated(Event, frame, rows, columns)):
        refusal = refusal_of(event, data, now)
        if refusal is not None:
            location = rows.at(columns[refusal.field], row)
            raise DataError(f"{location}: {refusal.reason}")


def _content_id(row: tuple[object, ...]) -> str:
    """Returns an id for an event that came without one; equal events have equal ids."""
    present = "\0".join(str(value) for value in row if value is not None)
    return hashlib.sha256(present.encode()).hexdigest()[:32]
