"""Event files: the log out to Parquet, CSV or JSON Lines, and in from whatever the readers read."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from tastemaker.artifact import replacing
from tastemaker.data.columns import resolve_columns
from tastemaker.data.ids import read_ids
from tastemaker.data.missing import USUAL_VALUES, Values, complete_rows
from tastemaker.data.rows import read_rows
from tastemaker.data.text_format import TextFormat
from tastemaker.data.times import read_times
from tastemaker.errors import ConfigError, DataError
from tastemaker.serving.event_store import SCHEMA, EventStore, NewEvent

ROWS_AT_ONCE = 10_000

LONGEST = {"event_id": 128, "user_id": 256, "item_id": 256, "type": 64}


class Imported(NamedTuple):
    """What became of the rows of a file of events."""

    accepted: int
    duplicates: int
    """Number of events that were there already."""
    left_out: int
    """Number of rows left out because a value is missing."""


def export_events(store: EventStore, path: Path) -> int:
    """Writes all events in the order in which they arrived; the file appears once it is whole.

    Returns:
        How many there are.

    Raises:
        ConfigError: another ending, or a folder that does not exist.
        DatabaseAwayError: the database does not answer.
    """
    writers: dict[str, Callable[[pl.DataFrame, Path], object]] = {
        ".parquet": pl.DataFrame.write_parquet,
        ".csv": pl.DataFrame.write_csv,
        ".jsonl": pl.DataFrame.write_ndjson,
    }
    if path.suffix not in writers:
        raise ConfigError(f'{path}: cannot write "{path.suffix}"; use {", ".join(writers)}')
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}")
    frame = pl.concat([pl.DataFrame(schema=SCHEMA), *store.rows()])
    with replacing(path) as beside:
        writers[path.suffix](frame, beside)
    return frame.height


def import_events(
    store: EventStore,
    path: Path,
    columns: dict[str, str | None],
    time_format: str | None = None,
    how: TextFormat | None = None,
    values: Values = USUAL_VALUES,
) -> Imported:
    """Takes in the events of a file, all of them or, where the file is at fault, none.

    Args:
        store: where to.
        path: a table with at least a user, an item and a time; event_id and type where it has them.
        columns: user, item and time, guessed where None.
        time_format: a strftime pattern, for times as text that are not ISO 8601.
        how: what is known of the format of a text file.
        values: which texts stand for a missing value, and what becomes of its row.

    Returns:
        How many events were new, how many were there already, and how many were left out.

    Raises:
        DataError: what is wrong, with file, column, row and value.
        DatabaseAwayError: the database does not answer; what came before is kept.
    """
    frame, left_out = _events_in(path, columns, time_format, how, values)
    accepted = 0
    for part in frame.iter_slices(ROWS_AT_ONCE):
        accepted += store.append([NewEvent(*row) for row in part.iter_rows()])
    return Imported(accepted, frame.height - accepted, left_out)


def _events_in(
    path: Path,
    columns: dict[str, str | None],
    time_format: str | None,
    how: TextFormat | None,
    values: Values,
) -> tuple[pl.DataFrame, int]:
    name = str(path)

    def roles_in(names: list[str]) -> dict[str, str]:
        return resolve_columns(names, name, rating=None, weight=None, **columns).by_role()

    def ids(names: list[str]) -> list[str]:
        return [roles_in(names)[role] for role in ("user", "item")]

    rows = read_rows(path, name, ids=ids, how=how)
    if rows.frame.is_empty():
        raise DataError(f"{path}: there are no rows; at least one event is needed")
    roles = roles_in(rows.frame.columns)
    if "time" not in roles:
        raise DataError(f"{path}: events need a time; name its column with time=…")
    required = {roles["user"]: "user id", roles["item"]: "item id", roles["time"]: "time"}
    if "event_id" in rows.frame.columns:
        required["event_id"] = "event id"
    n_rows = rows.frame.height
    rows, _ = complete_rows(rows, required, values)
    table = rows.frame
    kind = pl.col("type").cast(pl.String) if "type" in table.columns else pl.lit(None, pl.String)
    frame = table.select(
        user_id=read_ids(rows, roles["user"], "user").cast(pl.String),
        item_id=read_ids(rows, roles["item"], "item").cast(pl.String),
        timestamp=read_times(rows, roles["time"], time_format).seconds,
        type=kind.fill_null("interaction"),
    )
    if "event_id" in table.columns:
        given = table["event_id"].cast(pl.String)
    else:
        given = pl.Series([_made_of(row) for row in frame.iter_rows()], dtype=pl.String)
    frame = frame.with_columns(event_id=given)
    for column, longest in LONGEST.items():
        too_long = frame.filter(pl.col(column).str.len_chars() > longest)
        if too_long.height:
            value = too_long[column][0][:40]
            raise DataError(f"{path}: {column} {value}… is longer than {longest} characters")
    return frame.select(list(SCHEMA)), n_rows - table.height


def _made_of(row: tuple[object, ...]) -> str:
    """An id for an event that came without one: the same event has the same."""
    return hashlib.sha256("\0".join(map(str, row)).encode()).hexdigest()[:32]
