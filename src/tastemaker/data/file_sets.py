"""Finds the files of a table that is stored in several, and reads them as one."""

import glob
import os
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from tastemaker.data.file_kinds import table_ending
from tastemaker.data.readers import Choose, read_table
from tastemaker.data.table import ReadTable
from tastemaker.data.text_format import TextFormat
from tastemaker.errors import DataError

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""Name of the folder with the rows whose value of the partition column is missing."""


@dataclass(frozen=True)
class FileSet:
    """The files of one table, in the order in which they are read."""

    paths: tuple[Path, ...]
    root: Path
    """Folder below which folders such as day=2026-01-01 hold the value of a column."""
    notes: tuple[str, ...] = ()
    """Files that are not read."""

    def partition(self, path: Path) -> dict[str, str | None]:
        """Returns the columns that the folders of a file name, as text."""
        folders = path.parent.relative_to(self.root).parts
        pairs = [folder.split("=", 1) for folder in folders if "=" in folder]
        return {key: None if value == NO_VALUE else unquote(value) for key, value in pairs}


def file_set(source: Any) -> FileSet | None:
    """Returns the files of a list of paths, a folder or a pattern; None for any other source.

    A path that exists is that file, even if its name contains characters of a pattern. The files
    of a folder and of a pattern are in the order of their paths, those of a list in its order.

    Args:
        source: any argument of `read`.

    Raises:
        DataError: there is no such file, or a file is listed twice.
    """
    if isinstance(source, list | tuple):
        return _of_list(source)
    if not isinstance(source, str | Path):
        return None
    path = Path(source)
    if path.is_dir():
        return _of_folder(path)
    if path.exists() or not glob.has_magic(str(path)):
        return None
    # Path.glob cannot take a pattern that begins at the root of the file system.
    found = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207
    files, notes = _not_empty([name for name in found if name.is_file()])
    if not files:
        raise DataError(f"{path}: there is no such file, and no file matches it as a pattern")
    parts = path.parts
    first = next(n for n, part in enumerate(parts) if glob.has_magic(part))
    return FileSet(tuple(files), Path(*parts[:first]), notes)


def _of_list(source: Sequence[Any]) -> FileSet:
    if not source or not all(isinstance(path, str | Path) for path in source):
        raise DataError("a list of sources must hold the paths of files, at least one")
    paths = tuple(map(Path, source))
    resolved = [path.resolve() for path in paths]
    for number, path in enumerate(paths):
        if resolved[number] in resolved[:number]:
            raise DataError(f"{path} is listed twice, so its rows would count twice")
    return FileSet(paths, Path(os.path.commonpath([path.parent for path in paths])))


def _of_folder(folder: Path) -> FileSet:
    """Returns the tables in a folder and its subfolders, told by their endings if any has one.

    Hidden files and those whose name begins with _, such as _SUCCESS, are no tables.
    """
    visible = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    ]
    found, notes = _not_empty(visible)
    tables = [path for path in found if table_ending(path)] or found
    if not tables:
        raise DataError(f"{folder} is a folder without tables")
    others = sorted(map(str, set(found).difference(tables)))
    if others:
        notes = (*notes, f"files that are not tables are not read: {', '.join(others)}")
    return FileSet(tuple(tables), folder, notes)


def _not_empty(paths: Sequence[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """Returns the files that are not empty, and a note on the others if there are any."""
    filled = [path for path in paths if path.stat().st_size]
    empty = sorted(set(paths).difference(filled))
    note = f"empty files are not read: {', '.join(map(str, empty))}"
    return filled, (note,) if empty else ()


def read_file_set(
    files: FileSet, *, columns: Choose, ids: Choose, how: TextFormat | None = None
) -> ReadTable:
    """Reads the files of one table; rows keep the order of the files and of the rows in them.

    Args:
        files: the files, and the folders that name columns.
        columns: returns the columns to read, given all column names.
        ids: returns the columns that hold ids, given all column names.
        how: format of text files, as far as it is given.

    Raises:
        DataError: a file cannot be read, or its columns or their types are not those of the first.
    """
    tables: list[ReadTable] = []
    names_of_first: list[str] = []
    for path in files.paths:
        read = partial(read_table, path, how=how)
        table, names = read_part(read, files.partition(path), columns, ids)
        names_of_first = names_of_first or names
        refuse_other_columns(files.paths[0], names_of_first, path, names)
        tables.append(table)
    frame = _combined(tables, files)
    starts = [0, *accumulate(table.frame.height for table in tables)]

    def part_of(row: int) -> int:
        return bisect_right(starts, row) - 1

    return ReadTable(
        with_typed_partitions(frame, files),
        place_of=lambda row: tables[part_of(row)].place_of(row - starts[part_of(row)]),
        file_of=lambda row: str(files.paths[part_of(row)]),
        is_typed=all(table.is_typed for table in tables),
        notes=tuple(_notes(tables, files)),
        decimal=tables[0].decimal,
    )


def read_part(
    read: Callable[..., ReadTable], partition: dict[str, str | None], columns: Choose, ids: Choose
) -> tuple[ReadTable, list[str]]:
    """Reads one file; returns its table with the columns of its folders, and all column names.

    Args:
        read: reads the file, given functions that choose the `columns` and the `ids`.
        partition: the columns that its folders name, as text.
        columns: returns the columns to read, given all column names.
        ids: returns the columns that hold ids, given all column names.
    """
    own_names: list[str] = []
    added: dict[str, str | None] = {}

    def choose(names: list[str]) -> Sequence[str]:
        own_names[:] = names
        added.update({key: value for key, value in partition.items() if key not in names})
        return [name for name in columns([*names, *added]) if name in names]

    def choose_ids(names: list[str]) -> Sequence[str]:
        return [name for name in ids([*names, *added]) if name in names]

    table = read(columns=choose, ids=choose_ids)
    wanted = columns([*own_names, *added])
    values = [pl.lit(added[name], pl.String).alias(name) for name in added if name in wanted]
    return replace(table, frame=table.frame.with_columns(values)), [*own_names, *added]


def refuse_other_columns(
    first: Path | str, names_of_first: Sequence[str], path: Path | str, names: Sequence[str]
) -> None:
    """Raises DataError if a file does not have the columns of the first file of its table."""
    missing = [name for name in names_of_first if name not in names]
    surplus = [name for name in names if name not in names_of_first]
    if missing or surplus:
        differences = [
            f"{words} {', '.join(columns)}"
            for words, columns in (("lacks", missing), ("also has", surplus))
            if columns
        ]
        raise DataError(
            f"{path} does not have the columns of {first}: it {' and '.join(differences)}; give "
            "only files of one table"
        )


def _combined(tables: Sequence[ReadTable], files: FileSet) -> pl.DataFrame:
    """Returns the rows of all tables.

    Raises:
        DataError: a column has values of different types in two files that distinguish types.
    """
    # The type of a column without values says nothing.
    filled = [n for n, table in enumerate(tables) if table.frame.height] or [0]
    frames = [tables[n].frame for n in filled]
    names = frames[0].columns
    for name in names:
        families = [family(frame[name].dtype) for frame in frames]
        first = next((known for known in families if known is not None), None)
        other = next((n for n, f in enumerate(families) if f not in (None, first)), None)
        if other is None:
            continue
        if all(table.is_typed for table in tables):
            raise DataError(
                f'{files.paths[filled[other]]}: column "{name}" is {families[other]}, but '
                f"{first} in {files.paths[filled[families.index(first)]]}; give all values of a "
                "column the same type"
            )
        frames = [frame.with_columns(pl.col(name).cast(pl.String)) for frame in frames]
    return pl.concat([frame.select(names) for frame in frames], how="vertical_relaxed")


def family(dtype: pl.DataType) -> str | None:
    """Returns the kind of values of a column in words; None if it has no values at all."""
    if dtype == pl.Null:
        return None
    if dtype.is_numeric():
        return "numbers"
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        return "text"
    return "times" if dtype.is_temporal() else str(dtype)


def with_typed_partitions(frame: pl.DataFrame, files: FileSet) -> pl.DataFrame:
    """Converts columns that the folders name to whole numbers, if all of their values are."""
    names = {name for path in files.paths for name in files.partition(path)}
    for name in names.intersection(frame.columns):
        values = {files.partition(path).get(name) for path in files.paths} - {None}
        if values and all(re.fullmatch(r"0|-?[1-9]\d{0,17}", str(value)) for value in values):
            frame = frame.with_columns(pl.col(name).cast(pl.Int64, strict=False))
    return frame


def _notes(tables: Sequence[ReadTable], files: FileSet) -> list[str]:
    """Returns the notes of the files, each with the first file that it is about."""
    found: dict[str, list[str]] = {}
    for table, path in zip(tables, files.paths, strict=True):
        for note in table.notes:
            found.setdefault(note, []).append(str(path))
    return notes_of_files(found, files)


def notes_of_files(found: Mapping[str, Sequence[str]], files: FileSet) -> list[str]:
    """Returns the notes on files.

    Args:
        found: each note, with the files that it is about.
        files: all files.
    """
    lines = [f"{len(files.paths):,} files are read as one table"] if len(files.paths) > 1 else []
    for note, about in found.items():
        more = f" and {len(about) - 1:,} more files" if len(about) > 1 else ""
        lines.append(f"{about[0]}{more}: {note}")
    return [*files.notes, *lines]
