"""Encodes the validated tables of a source: ids become codes, and the rows are sorted."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tastemaker.data.dataset import COLUMNS
from tastemaker.data.folding import pair_keys
from tastemaker.data.ids import read_ids
from tastemaker.data.prepared.conversion import ROWS_OF_A_PIECE
from tastemaker.data.prepared.engine import Engine, batches
from tastemaker.data.prepared.folder import ColumnWriter, write_ids
from tastemaker.data.prepared.source import PiecedSource
from tastemaker.data.prepared.workplace import Workplace
from tastemaker.data.rows import Rows
from tastemaker.data.vocabulary import Vocabulary
from tastemaker.progress import Meter, OnProgress

SINGULAR = {"timestamps": "timestamp", "ratings": "rating", "weights": "weight", "kinds": "kind"}
"""The column of a validated table for each column of a data set."""


@dataclass(frozen=True)
class Encoded:
    """Rows of codes on disk, sorted by user, time and input."""

    table: Path
    """A Parquet file with the columns users, items and those of SINGULAR."""
    names: list[str]
    """The columns, by their names in COLUMNS."""
    n_items: int


def encode(
    source: PiecedSource,
    tables: Path,
    columns: list[str],
    database: Engine,
    work: Workplace,
    meter: Meter,
) -> Encoded:
    """Finds the vocabularies, replaces ids by codes, and sorts the rows.

    Args:
        source: the source of the tables.
        tables: the folder of the validated tables.
        columns: their columns.
        database: what joins and sorts.
        work: the place for files; the vocabularies are written into its result.
        meter: advanced by 3.

    Raises:
        DataError: an id cannot be used.
    """
    codes, n_ids = {}, {}
    for kind in ("user", "item"):
        vocabulary, codes[kind] = _vocabulary(source, tables, kind, database, work.folder)
        write_ids(work.result, vocabulary)
        n_ids[kind] = len(vocabulary)
        meter.advance()
    table = work.folder / "sorted.parquet"
    database.encode_and_sort(tables, columns, codes, table)
    meter.advance()
    names = [name for name in COLUMNS if SINGULAR.get(name, name) in ("users", "items", *columns)]
    return Encoded(table, names, n_ids["item"])


def _vocabulary(
    source: PiecedSource, tables: Path, kind: str, database: Engine, folder: Path
) -> tuple[Vocabulary, Path]:
    """Returns the vocabulary, and a table of the ids as they are in the tables and their codes."""
    found = database.distinct(tables, kind, folder / f"{kind}-ids.parquet")
    ids = _typed_ids(source, found, tables, kind, database)
    vocabulary = Vocabulary.of(ids, kind=kind)
    is_sorted = vocabulary.ids.equals(ids)
    codes = np.arange(len(ids), dtype=np.int32) if is_sorted else vocabulary.find(ids)
    path = folder / f"{kind}-codes.parquet"
    pl.DataFrame({"id": found, "code": codes}).write_parquet(path)
    return vocabulary, path


def _typed_ids(
    source: PiecedSource, found: pl.Series, tables: Path, kind: str, database: Engine
) -> pl.Series:
    """Returns the ids of the whole table as numbers or text, as `read_ids` does.

    Raises:
        DataError: as for `read_ids`.
    """

    def place(position: int) -> tuple[str, str]:
        piece, row = divmod(database.first_key(tables, kind, found[position]), ROWS_OF_A_PIECE)
        return source.read(piece).place_of(row), source.pieces[piece].source_name

    column = source.columns.user if kind == "user" else source.columns.item
    rows = Rows(
        pl.DataFrame({column: found}), source.name, lambda position: place(position)[0],
        lambda position: place(position)[1], is_typed=source.is_typed,
    )  # fmt: skip
    return read_ids(rows, column, kind, source.log.values.ids)


def write_columns(
    encoded: Encoded, folder: Path, n_rows: int, *, ones: bool, on_progress: OnProgress | None
) -> int:
    """Writes the sorted rows to the files of a data set; returns the number of repeated rows.

    Args:
        encoded: the sorted rows.
        folder: the folder of the data set.
        n_rows: their number.
        ones: whether rows without weights get the weight 1.
        on_progress: called with the number of rows written.
    """
    names, repeats = encoded.names, _Repeats(encoded.n_items)
    adds_ones = ones and "weights" not in names
    writer = ColumnWriter(folder, [*names, "weights"] if adds_ones else names, n_rows)
    meter = Meter(on_progress, "writing", n_rows)
    for batch in batches(encoded.table):
        columns = {name: batch[SINGULAR.get(name, name)].to_numpy() for name in names}
        if adds_ones:
            columns["weights"] = np.ones(batch.height, dtype=np.float32)
        if "ratings" in columns:
            columns["ratings"] = batch["rating"].fill_null(float("nan")).to_numpy()
        writer.append(columns)
        repeats.count(columns["users"], columns["items"])
        meter.advance(batch.height)
    writer.close()
    return repeats.total()


class _Repeats:
    """Counts rows that repeat a (user, item) pair, in batches that are sorted by user."""

    def __init__(self, n_items: int) -> None:
        self._n_items, self._n = n_items, 0
        self._last_user = np.zeros(0, dtype=np.int64)
        """The pairs of the last user, of whom the next batch may have more."""

    def count(self, users: np.ndarray, items: np.ndarray) -> None:
        pairs = np.concatenate([self._last_user, pair_keys(users, items, self._n_items)])
        start = int(np.searchsorted(pairs // self._n_items, users[-1]))
        self._n += _n_repeats(pairs[:start])
        self._last_user = pairs[start:]

    def total(self) -> int:
        return self._n + _n_repeats(self._last_user)


def _n_repeats(pairs: np.ndarray) -> int:
    return len(pairs) - pl.Series(pairs).n_unique()
