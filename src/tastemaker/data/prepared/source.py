"""The source of a prepared data set: its files, in pieces that are read one after the other."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from tastemaker.data.columns import Columns
from tastemaker.data.file_kinds import is_file
from tastemaker.data.file_sets import (
    FileSet,
    family,
    file_set,
    read_part,
    refuse_other_columns,
    with_typed_partitions,
)
from tastemaker.data.log_format import LogFormat
from tastemaker.data.prepared.pieces import Piece, pieces_of
from tastemaker.data.prepared.remote import fetch, is_remote
from tastemaker.data.prepared.unpacking import unpacked
from tastemaker.data.prepared.workplace import Workplace
from tastemaker.data.rows import Rows, names_of
from tastemaker.data.table import ReadTable
from tastemaker.errors import ConfigError, DataError
from tastemaker.progress import Meter, OnProgress


@dataclass
class PiecedSource:
    """The files of a table of interactions, in pieces."""

    name: str
    """Name of the source in messages."""
    label: str
    """Name of the data in results."""
    files: FileSet
    pieces: list[Piece]
    file_of_piece: list[Path]
    """The file of each piece, of which it may be an unpacked copy."""
    log: LogFormat
    columns: Columns
    all_names: list[str]
    """The names of all columns, used or not."""
    dtypes: dict[str, pl.DataType] = field(default_factory=dict)
    """The types of the used columns in the whole table, once all pieces have been surveyed."""
    names_of_file: dict[str, dict[str, None]] = field(default_factory=dict)
    """The columns of each file, by its name in messages, as far as its pieces have been read."""

    def read(self, number: int) -> Rows:
        """Reads one piece; its columns have the types of the whole table, if these are known.

        Raises:
            DataError: the piece cannot be read, or does not have the columns of the first file.
        """
        piece, file = self.pieces[number], self.file_of_piece[number]
        table, names = read_part(
            piece.read, self.files.partition(file), self._wanted, lambda _: self.columns.id_columns
        )
        self.names_of_file.setdefault(piece.source_name, {}).update(dict.fromkeys(names))
        if piece.kind == "json":
            table = self._with_all_columns(table, names, piece)
        else:
            first = self.pieces[0].source_name
            refuse_other_columns(first, self.all_names, piece.source_name, names)
        frame = with_typed_partitions(table.frame, self.files)
        frame = frame.with_columns(
            frame[name].cast(dtype) for name, dtype in self.dtypes.items() if name in frame.columns
        )
        used = set(frame.columns)
        several = len(self.files.paths) > 1
        return Rows(
            frame, self.name, table.place_of, (lambda _: piece.source_name) if several else None,
            self.log.text.decimal if piece.kind == "text" else ".", piece.kind != "text",
            tuple(name for name in self.all_names if name not in used), table.notes,
        )  # fmt: skip

    def refuse_other_columns(self) -> None:
        """Refuses files with other columns than the first, once all pieces have been read.

        An object of JSON Lines may lack a column that others in its file have.

        Raises:
            DataError: there is such a file.
        """
        (first, names_of_first), *others = self.names_of_file.items()
        for name, names in others:
            refuse_other_columns(first, list(names_of_first), name, list(names))

    def _wanted(self, names: list[str]) -> list[str]:
        used = dict.fromkeys(self.columns.by_role().values())
        return [name for name in used if name in names]

    def _with_all_columns(self, table: ReadTable, names: list[str], piece: Piece) -> ReadTable:
        """Adds the used columns that no object of a piece of JSON Lines has, as missing values.

        Raises:
            DataError: an object has a column that the first piece lacks, and that would be used.
        """
        new = [name for name in names if name not in self.all_names]
        if new and self.log.columns([*self.all_names, *new], self.name) != self.columns:
            raise DataError(
                f"{piece.source_name}: from line {piece.first_line:,} on there are columns that "
                f"the first lines lack ({', '.join(new)}); name the columns, or give the first "
                "object all of them"
            )
        missing = [name for name in self._wanted(self.all_names) if name not in table.frame.columns]
        return replace(table, frame=table.frame.with_columns(
            pl.lit(None).alias(name) for name in missing
        ))  # fmt: skip

    @property
    def is_typed(self) -> bool:
        """Whether all files distinguish numbers from text."""
        return all(piece.kind != "text" for piece in self.pieces)

    def widen(self, dtypes: dict[str, pl.DataType], number: int, frame: pl.DataFrame) -> None:
        """Takes the types of a piece into account for those of the whole table.

        Args:
            dtypes: the types of the columns in the earlier pieces; changed.
            number: number of the piece.
            frame: its rows.

        Raises:
            DataError: a column has values of different types in two files that distinguish types.
        """
        for name, dtype in frame.schema.items():
            known = dtypes.get(name, pl.Null())
            families = family(known), family(dtype)
            if None in families or families[0] == families[1]:
                dtypes[name] = _wider(known, dtype)
            elif self.is_typed:
                raise DataError(
                    f'{self.pieces[number].source_name}: column "{name}" is {families[1]}, but '
                    f"{families[0]} in earlier rows; give all values of a column the same type"
                )
            else:
                dtypes[name] = pl.String()


def _wider(first: pl.DataType, second: pl.DataType) -> pl.DataType:
    empty = [pl.DataFrame({"column": pl.Series([], dtype=dtype)}) for dtype in (first, second)]
    return pl.concat(empty, how="vertical_relaxed")["column"].dtype


def open_in_pieces(
    source: Any,
    log: LogFormat,
    name: str | None,
    work: Workplace,
    *,
    n_rows: int,
    n_bytes: int,
    on_progress: OnProgress | None,
) -> PiecedSource:
    """Finds the files of a source, unpacks them where needed, and divides them into pieces.

    Args:
        source: a path, a pattern, a folder or a list of paths.
        log: how the files are read.
        name: name of the data in results, if it is given.
        work: the place for unpacked files.
        n_rows: maximum number of rows of a piece of Parquet.
        n_bytes: size of a piece of text, about.
        on_progress: called after each file.

    Raises:
        DataError: a file does not exist, or cannot be read in pieces.
        ConfigError: an option does not apply.
    """
    source_name, label = names_of(source, name)
    fetched = work.new("fetched")
    if is_remote(source):
        files = fetch(source, fetched, on_progress)
        label = name or names_of(files.paths[0])[1]
    elif (is_file(source) or isinstance(source, list | tuple)) and str(source) != "-":
        files = file_set(source) or FileSet((Path(source),), Path(source).parent)
    else:
        raise ConfigError(
            "prepare reads files; write the table as Parquet, CSV or JSON Lines first, or read it "
            "in memory with tastemaker.read"
        )
    meter = Meter(on_progress, "unpacking", len(files.paths))
    pieces: list[Piece] = []
    file_of_piece: list[Path] = []
    for number, path in enumerate(files.paths):
        target = work.new(f"unpacked-{number}")
        shown = str(path.relative_to(fetched)) if is_remote(source) else str(path)
        plain, plain_name = unpacked(path, shown, target, log.text.encoding)
        found = pieces_of(plain, shown, plain_name, log.text, n_rows=n_rows, n_bytes=n_bytes)
        pieces += found
        file_of_piece += [path] * len(found)
        meter.advance()
    names = _names(pieces[0], files.partition(file_of_piece[0]))
    columns = log.columns(names, source_name, is_text=pieces[0].kind == "text")
    return PiecedSource(source_name, label, files, pieces, file_of_piece, log, columns, names)


def _names(first: Piece, partition: dict[str, str | None]) -> list[str]:
    """Returns the names of all columns."""
    _, names = read_part(first.read, partition, lambda names: names[:1], lambda _: [])
    return names
