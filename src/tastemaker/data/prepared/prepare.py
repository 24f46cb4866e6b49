"""Prepares data that may be larger than memory: reads, encodes and sorts them once, on disk."""

import re
from pathlib import Path
from typing import Any

from tastemaker.data.dataset import Dataset
from tastemaker.data.file_kinds import is_file, refuse_impossible_path
from tastemaker.data.file_sets import notes_of_files
from tastemaker.data.interactions import notes_of_reading
from tastemaker.data.log_format import LogFormat
from tastemaker.data.log_rules import LogRules, Repeats
from tastemaker.data.notes import reports_notes
from tastemaker.data.prepared.conversion import Converted, convert
from tastemaker.data.prepared.encoding import encode, write_columns
from tastemaker.data.prepared.engine import Engine, engine, refuse_without_duckdb
from tastemaker.data.prepared.folder import (
    KIND,
    encoded_rows,
    fingerprint_of_files,
    is_prepared,
    open_prepared,
)
from tastemaker.data.prepared.source import PiecedSource, open_in_pieces
from tastemaker.data.prepared.survey import Survey, survey
from tastemaker.data.prepared.workplace import Workplace, workplace
from tastemaker.data.weights import WeightRules, note_on_weightless
from tastemaker.errors import ConfigError
from tastemaker.folders import write_manifest
from tastemaker.memory import available_bytes
from tastemaker.progress import Meter, OnProgress

GIB = 1 << 30

LEAST_MEMORY = 512 << 20
"""Minimum of `memory`, in bytes."""

MAX_PIECE_ROWS, MAX_PIECE_BYTES = 2**20, 2**26
"""Maximum size of a piece of a file that is read at a time."""

OWN_MEMORY = 256 << 20
"""Memory that the program needs beside the data, in bytes."""

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
         "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}  # fmt: skip

OF_OPENING = (
    "items", "item_id", "items_query", "features", "vectors", "untouched_items", "users",
    "user_id", "user_features", "min_rating",
)  # fmt: skip
"""Arguments of `read` that apply when the prepared data are read."""


@reports_notes
def prepare(
    source: Any,
    out: str | Path,
    *,
    memory: str | None = None,
    repeats: Repeats | None = None,
    repeat_targets: bool | None = None,
    name: str | None = None,
    on_progress: OnProgress | None = None,
    **how: Any,
) -> Dataset:
    """Prepares interactions that may be larger than memory, and opens the result.

    The result is that of `read`. It is stored in a folder, whose columns open by memory map; `read`
    and `load` take the folder in place of a file. The source is read twice, piece by piece.

    Args:
        source: text with separators, Parquet or JSON Lines, compressed or not: a path, a list of
            paths, a folder or a pattern, or the URL of files at s3://, gs:// or https://.
        out: the folder to create; an earlier prepared data set there is replaced.
        memory: about how much memory to use, such as "8GiB"; at least 512MiB, and at most what is
            available. By default 8GiB, or half of what is available if that is less. The distinct
            ids of users and items must fit into a quarter of it.
        repeats: how the rows of a (user, item) pair are merged, as for `read`.
        repeat_targets: whether repeats may be held out and recommended, as for `read`.
        name: name of the data in results; by default the file's name without its ending.
        on_progress: called with the progress.
        **how: as for `read`, except the arguments on tables of items and users, vectors and
            min_rating, which are given when the folder is read.

    Raises:
        DataError: the data cannot be used; the message gives file, column, row and value.
        ConfigError: an option is invalid or cannot be applied, or memory is too little.
        ArtifactError: `out` exists and is no prepared data set, or the disk is full.
        UnsupportedError: DuckDB is not installed.
    """
    refuse_without_duckdb()
    log = _log_format(how)
    n_bytes = default_memory() if memory is None else bytes_of(memory)
    refuse_impossible_path(source)
    _refuse_mixed_up(source, Path(out))
    with workplace(Path(out)) as work:
        pieced = open_in_pieces(
            source, log, name, work,
            n_rows=min(n_bytes // 4096, MAX_PIECE_ROWS),
            n_bytes=min(n_bytes // 64, MAX_PIECE_BYTES),
            on_progress=on_progress,
        )  # fmt: skip
        with engine(work.new("spilled"), (n_bytes - OWN_MEMORY) // 2) as database:
            _prepare(pieced, work, database, repeats, repeat_targets, on_progress)
    return open_prepared(Path(out))


def bytes_of(memory: str) -> int:
    """Returns an amount of memory in bytes.

    Raises:
        ConfigError: the text is not a number with a unit, or the amount is too little.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *([KMGT]i?|)B?", memory.strip(), re.IGNORECASE)
    if match is None:
        raise ConfigError(
            f'memory="{memory}" is not an amount of memory, such as "8GiB" or "500MB"'
        )
    n_bytes = int(float(match[1]) * UNITS[match[2].capitalize()])
    if n_bytes < LEAST_MEMORY:
        raise ConfigError(f'memory="{memory}" is too little; give at least "512MiB"')
    if n_bytes > (available := available_bytes()):
        raise ConfigError(
            f'memory="{memory}" is more than the {available / GIB:.1f} GiB that are available here'
        )
    return n_bytes


def default_memory() -> int:
    """Returns the bytes to use if no amount is given."""
    return max(LEAST_MEMORY, min(8 * GIB, available_bytes() // 2))


def _refuse_mixed_up(source: Any, out: Path) -> None:
    """Raises ConfigError if the source is prepared already, or if `out` would be a part of it."""
    if is_prepared(source):
        raise ConfigError(f"{source} is prepared already; give it to the other verbs as it is")
    is_folder = is_file(source) and Path(source).is_dir()
    if is_folder and out.resolve().is_relative_to(Path(source).resolve()):
        raise ConfigError(
            f"{out} is in the folder of the source, of which it would become a part; choose "
            "another path"
        )


def _log_format(how: dict[str, Any]) -> LogFormat:
    """Checks the options on reading.

    Raises:
        ConfigError: one of them is invalid, or cannot be applied to data in pieces.
    """
    later = {name: how.pop(name, None) for name in OF_OPENING}
    given = next((name for name, value in later.items() if _is_given(value)), None)
    if given is not None:
        raise ConfigError(
            f"{given}=… applies when the prepared data are read; leave it out here, and give it "
            "then"
        )
    if how.pop("query", None):
        raise ConfigError(
            "query=… selects rows of a database, which cannot be prepared; write them as Parquet "
            "first"
        )
    log = LogFormat.of(**how)
    if log.layout.prepare is not None:
        raise ConfigError(
            f'layout="{how["layout"]}" cannot be prepared in pieces; read the data in memory'
        )
    return log


def _is_given(value: Any) -> bool:
    return not (value is None or value is False or (isinstance(value, dict) and not value))


def _prepare(
    source: PiecedSource,
    work: Workplace,
    database: Engine,
    repeats: Repeats | None,
    repeat_targets: bool | None,
    on_progress: OnProgress | None,
) -> None:
    """Writes the prepared data set into the workplace."""
    amounts, tables = work.new("amounts"), work.new("tables")
    n = len(source.pieces)
    seen = survey(source, amounts, Meter(on_progress, "reading (1 of 2)", n))
    weights = _weight_rules(source, seen, database, amounts, work.folder / "counts.parquet")
    converted = convert(source, seen, weights, tables, Meter(on_progress, "reading (2 of 2)", n))
    meter = Meter(on_progress, "sorting", 3)
    encoded = encode(source, tables, converted.columns, database, work, meter)
    rules = LogRules.of(
        repeats, repeat_targets, kinds=weights.kinds, weight_transform=weights.transform,
        weighted=weights.is_weighted,
    )  # fmt: skip
    n_repeats = write_columns(
        encoded, work.result, converted.n_rows, ones=rules.repeats == "keep",
        on_progress=on_progress,
    )  # fmt: skip
    facts = {
        "name": source.label,
        "time_unit": converted.time_unit,
        "n_missing": seen.absences.n_incomplete,
        "n_repeats": n_repeats,
        "user_column": source.columns.user,
        "item_column": source.columns.item,
        "rules": rules.to_dict(),
        "notes": _notes(source, seen, weights, converted),
    }
    data = encoded_rows(work.result, facts).with_rules(rules, n_repeats)
    files = {path.name: {"bytes": path.stat().st_size} for path in sorted(work.result.iterdir())}
    fingerprint = fingerprint_of_files(work.result, data)
    write_manifest(work.result, KIND, files, fingerprint=fingerprint, n_rows=len(data), **facts)


def _weight_rules(
    source: PiecedSource, seen: Survey, database: Engine, amounts: Path, counts: Path
) -> WeightRules:
    columns = source.columns
    return WeightRules.of(
        source.log.weighting,
        kinds=None if columns.event is None else dict(seen.kinds.most_common()),
        amounts=None if columns.weight is None else database.amounts_seen(amounts, counts),
        event_column=f'{source.name}, column "{columns.event}"',
        weight_column=str(columns.weight),
    )


def _notes(
    source: PiecedSource, seen: Survey, weights: WeightRules, converted: Converted
) -> list[str]:
    """Returns the notes that `read` would give on the data."""
    used = source.columns.by_role().values()
    notes = notes_of_reading(
        source.columns,
        [name for name in source.all_names if name not in used],
        notes_of_files(seen.notes, source.files),
        [seen.absences.note()] if seen.absences.n_incomplete else [],
        converted.time_unit,
        weights.notes,
    )
    if converted.n_weightless:
        notes.append(note_on_weightless(converted.n_weightless))
    return notes
