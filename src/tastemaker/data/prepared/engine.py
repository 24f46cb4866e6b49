"""What needs more memory than there is: distinct ids, order statistics, joins and sorts, by DuckDB.

DuckDB writes to disk what does not fit into its memory.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tastemaker.data.weights import AmountsSeen
from tastemaker.deferred import DeferredModule
from tastemaker.errors import ConfigError, UnsupportedError

# Imported when data are first prepared, since nothing else needs it.
duckdb = DeferredModule("duckdb")

DISK_IS_FULL = "max_temp_directory_size"
"""A part of the message by which DuckDB reports that it cannot write more temporary files."""

ROWS_PER_BATCH = 2**19
"""Number of sorted rows that are read at a time."""


def connect(**config: Any) -> Any:
    """Returns a connection to a new database in memory, which prints no progress."""
    connection = duckdb.connect(config=config)
    connection.execute("SET enable_progress_bar = false")
    return connection


class Engine:
    """A connection to DuckDB with bounded memory."""

    def __init__(self, folder: Path, memory_bytes: int, n_threads: int) -> None:
        """Opens a database in memory.

        Args:
            folder: the folder for what does not fit into memory.
            memory_bytes: memory for DuckDB.
            n_threads: number of threads.
        """
        self._connection = connect(
            memory_limit=f"{memory_bytes // 2**20}MiB",
            temp_directory=str(folder),
            threads=n_threads,
            # All queries whose order matters say so.
            preserve_insertion_order=False,
        )

    def distinct(self, tables: Path, column: str, target: Path) -> pl.Series:
        """Returns the distinct values of a column of Parquet files, in ascending order.

        Args:
            tables: the folder of the files.
            column: the column.
            target: a new file for the values.
        """
        self._write(
            f"SELECT DISTINCT {_name(column)} AS id FROM {_all_of(tables)} ORDER BY id", target
        )
        return pl.read_parquet(target)["id"]

    def first_key(self, tables: Path, column: str, value: object) -> int:
        """Returns the key of the first row with a value."""
        query = f"SELECT min(key) FROM {_all_of(tables)} WHERE {_name(column)} = ?"
        return int(self._connection.execute(query, [value]).fetchall()[0][0])

    def encode_and_sort(
        self, tables: Path, columns: Sequence[str], codes: dict[str, Path], target: Path
    ) -> None:
        """Replaces ids by codes, and sorts the rows by user, time and key.

        Args:
            tables: the folder of the tables with the columns user, item, key and others.
            columns: the columns of the tables.
            codes: for user and item, a table of the ids (`id`) and their codes (`code`).
            target: the Parquet file to write.
        """
        others = [name for name in columns if name not in ("user", "item", "key", "exact")]
        order = ["users", "exact"] if "exact" in columns else ["users"]
        self._write(
            f"SELECT u.code AS users, i.code AS items{''.join(f', {_name(n)}' for n in others)} "
            f"FROM {_all_of(tables)} AS log "
            f'JOIN read_parquet({_text(codes["user"])}) AS u ON log."user" = u.id '
            f"JOIN read_parquet({_text(codes['item'])}) AS i ON log.item = i.id "
            f"ORDER BY {', '.join(order)}, key",
            target,
        )

    def amounts_seen(self, tables: Path, target: Path) -> AmountsSeen:
        """Returns order statistics of the column `amount`, without its NaN."""
        self._write(
            f"SELECT amount, count(*) AS n FROM {_all_of(tables)} WHERE NOT isnan(amount) "
            "GROUP BY amount ORDER BY amount",
            target,
        )
        sums = pl.scan_parquet(target).select(
            all=pl.col("n").sum(), positive=pl.col("n").filter(pl.col("amount") > 0).sum()
        )
        n, n_positive = sums.collect().row(0)
        if not n_positive:
            return AmountsSeen(0.0, 0.0, 0.0, 0.0)
        places = [n - n_positive + q * (n_positive - 1) for q in (0.5, 0.99)]
        places += [0.5 * (n - 1), float(n - 1)]
        return AmountsSeen(*_order_statistics(target, places))

    def _write(self, query: str, target: Path) -> None:
        try:
            self._connection.execute(f"COPY ({query}) TO {_text(target)} (COMPRESSION lz4)")
        except duckdb.OutOfMemoryException as error:
            if DISK_IS_FULL in str(error):
                raise
            raise ConfigError(
                f"the memory=… that was given is too little for these data, whose ids must fit "
                f"into a quarter of it; give more ({str(error).splitlines()[0]})"
            ) from None

    def close(self) -> None:
        """Closes the database."""
        self._connection.close()


def _order_statistics(counts: Path, places: Sequence[float]) -> list[float]:
    """Returns the values at places, from 0, of the sorted column that a table of counts describes.

    Args:
        counts: a Parquet file with `amount`, ascending, and its number `n`.
        places: positions; between two positions, the values are interpolated.
    """
    wanted = {int(f(place)) for place in places for f in (np.floor, np.ceil)}
    found: dict[int, float] = {}
    end = 0
    for batch in batches(counts):
        ends = end + batch["n"].cum_sum().to_numpy()
        for place in [place for place in wanted if end <= place < ends[-1]]:
            found[place] = float(batch["amount"][int(np.searchsorted(ends, place, "right"))])
        end = int(ends[-1])
    return [_between(found, place) for place in places]


def _between(values: dict[int, float], place: float) -> float:
    low, high = values[int(np.floor(place))], values[int(np.ceil(place))]
    return low + (high - low) * (place - np.floor(place))


def batches(table: Path) -> Iterator[pl.DataFrame]:
    """Yields the rows of a Parquet file in order, at most ROWS_PER_BATCH at a time."""
    n_rows = int(pl.scan_parquet(table).select(pl.len()).collect().item())
    for start in range(0, n_rows, ROWS_PER_BATCH):
        yield pl.scan_parquet(table).slice(start, ROWS_PER_BATCH).collect()


def refuse_without_duckdb() -> None:
    """Raises UnsupportedError if DuckDB is not installed."""
    if find_spec("duckdb") is None:
        raise UnsupportedError('preparing data needs DuckDB: pip install "tastemaker[duckdb]"')


@contextmanager
def engine(folder: Path, memory_bytes: int) -> Iterator[Engine]:
    """Yields an `Engine`, which is closed after the block; see there."""
    opened = Engine(folder, memory_bytes, pl.thread_pool_size())
    try:
        yield opened
    finally:
        opened.close()


def _all_of(folder: Path) -> str:
    return f"read_parquet({_text(folder / '*.parquet')})"


def _text(path: Path) -> str:
    escaped = str(path).replace("'", "''")
    return f"'{escaped}'"


def _name(column: str) -> str:
    return f'"{column}"'
