"""The second pass over a source: each piece becomes a table of validated values."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tastemaker.data.ids import read_ids
from tastemaker.data.interactions import read_ratings, required_columns
from tastemaker.data.missing import find_complete_rows
from tastemaker.data.prepared.source import PiecedSource
from tastemaker.data.prepared.survey import Survey
from tastemaker.data.rows import Rows
from tastemaker.data.times import Times, read_times
from tastemaker.data.weights import WeightRules, all_weightless, counting_rows, read_amounts
from tastemaker.progress import Meter

ROWS_OF_A_PIECE = 2**32
"""The key of a row is this multiple of the number of its piece, plus its position there."""


@dataclass
class Converted:
    """What is known after the second pass."""

    n_rows: int = 0
    n_weightless: int = 0
    """Number of rows that are left out because their weight is 0."""
    time_unit: str | None = None
    columns: list[str] = field(default_factory=list)
    """The columns of the files that `convert` writes."""


def convert(
    source: PiecedSource, seen: Survey, weights: WeightRules, folder: Path, meter: Meter
) -> Converted:
    """Writes the validated rows of each piece to a Parquet file.

    The columns are user and item (ids, which may still be text that is to become numbers), key (the
    order of the input) and, if the source has them, timestamp (seconds), exact (for the order
    within a second), rating, weight and kind.

    Args:
        source: the source, after the survey.
        seen: the survey.
        weights: how kinds and values become weights.
        folder: the folder for the files.
        meter: counts the pieces.

    Raises:
        DataError: a value cannot be used, or all weights are 0.
    """
    result, required = Converted(), required_columns(source.columns)
    for number in range(len(source.pieces)):
        rows, _ = find_complete_rows(source.read(number), required, source.log.values)
        columns, times = _validated(source, rows, seen, weights)
        result.time_unit = None if times is None else times.unit
        first_key = number * ROWS_OF_A_PIECE
        keys = rows.positions
        if keys is None:
            keys = pl.Series(np.arange(rows.frame.height))
        frame = pl.DataFrame(
            {"key": keys.cast(pl.Int64) + first_key}
            | {name: column.alias(name) for name, column in columns.items()}
        )
        counts = counting_rows(frame, weights.kinds)
        kept = frame if counts is None else frame.filter(counts)
        result.n_weightless += frame.height - kept.height
        result.n_rows += kept.height
        result.columns = kept.columns
        kept.write_parquet(folder / f"{number:06}.parquet", compression="lz4")
        meter.advance()
    if result.n_rows == 0:
        raise all_weightless(source.name)
    return result


def _validated(
    source: PiecedSource, rows: Rows, seen: Survey, weights: WeightRules
) -> tuple[dict[str, pl.Series], Times | None]:
    log, columns, times, amounts, names = source.log, source.columns, None, None, None
    result: dict[str, Any] = {
        "user": _ids(source, rows, columns.user, "user"),
        "item": _ids(source, rows, columns.item, "item"),
    }
    if columns.time is not None:
        times = read_times(rows, columns.time, log.time_format, seen.times)
        result |= {"timestamp": times.seconds, "exact": times.exact}
    if columns.rating is not None:
        result["rating"] = read_ratings(rows, columns.rating, log.values)
    if columns.weight is not None:
        amounts = read_amounts(rows, columns.weight, log.values)
    if columns.event is not None:
        names = rows.frame[columns.event].cast(pl.String)
    return result | weights.columns(names, amounts), times


def _ids(source: PiecedSource, rows: Rows, name: str, role: str) -> pl.Series:
    """Returns the ids of a piece; text stays text, as the whole table decides what it becomes."""
    column = rows.frame[name]
    if column.dtype == pl.String:
        return column
    return read_ids(rows, name, role, source.log.values.ids)
