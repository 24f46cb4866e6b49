"""The first pass over a source: what only the whole table can decide."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from tastemaker.data.event_kinds import MOST_KINDS, EventKinds
from tastemaker.data.interactions import required_columns
from tastemaker.data.missing import Absences, find_complete_rows
from tastemaker.data.prepared.source import PiecedSource
from tastemaker.data.rows import Rows
from tastemaker.data.times import TimesSeen
from tastemaker.data.weights import read_amounts
from tastemaker.errors import DataError
from tastemaker.progress import Meter


@dataclass
class Survey:
    """What is seen in the pieces of a source."""

    absences: Absences = field(default_factory=Absences)
    times: TimesSeen = field(default_factory=TimesSeen)
    kinds: Counter[str] = field(default_factory=Counter)
    """Number of events of each kind."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """Notes of the reader, with the files that they are about."""


def survey(source: PiecedSource, amounts: Path, meter: Meter) -> Survey:
    """Reads all pieces once, and settles the types of the columns of the source.

    Args:
        source: the source; its `dtypes` are set.
        amounts: a folder for the values of the weight column, one Parquet file per piece.
        meter: counts the pieces.

    Raises:
        DataError: a piece cannot be read, files have different columns, there are no rows, a value
            is missing where rows are not to be left out, or a weight is not a number.
    """
    seen, dtypes = Survey(), dict[str, pl.DataType]()
    for number in range(len(source.pieces)):
        rows = source.read(number)
        source.widen(dtypes, number, rows.frame)
        rows = _look_at(source, rows, seen)
        if source.columns.weight is not None:
            read = read_amounts(rows, source.columns.weight, source.log.values)
            pl.DataFrame({"amount": read}).write_parquet(amounts / f"{number:06}.parquet")
        for note in rows.notes:
            about = seen.notes.setdefault(note, [])
            if source.pieces[number].source_name not in about:
                about.append(source.pieces[number].source_name)
        meter.advance()
    source.refuse_other_columns()
    source.dtypes = dtypes
    absences, values = seen.absences, source.log.values
    if absences.n_rows == 0:
        raise DataError(f"{source.name}: there are no rows; at least one interaction is needed")
    if absences.n_incomplete and (
        not values.drop_missing or absences.n_incomplete == absences.n_rows
    ):
        raise absences.error(source.name, drop_missing=values.drop_missing)
    return seen


def _look_at(source: PiecedSource, rows: Rows, seen: Survey) -> Rows:
    """Adds what is seen in the rows of a piece; returns the rows that are complete."""
    required = required_columns(source.columns)
    rows, absences = find_complete_rows(rows, required, source.log.values)
    seen.absences += absences
    if source.columns.time is not None:
        column = rows.frame[source.columns.time]
        seen.times += TimesSeen.of(column)
    if source.columns.event is not None:
        names = rows.frame[source.columns.event].cast(pl.String)
        seen.kinds.update(dict(names.value_counts().iter_rows()))
        if len(seen.kinds) > MOST_KINDS:
            # Refused at once, before the values of a column of another meaning fill the memory.
            where = f'{source.name}, column "{source.columns.event}"'
            EventKinds.of().completed(seen.kinds, where)
    return rows
