"""Recommendations: the ranked lists of items that a model returns."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from tastemaker.data.dataset import Dataset
from tastemaker.errors import ConfigError
from tastemaker.html_tables import MAX_SHOWN_ROWS, html_table

SINKS: dict[str, Callable[[pl.LazyFrame, Path], object]] = {
    ".parquet": pl.LazyFrame.sink_parquet,
    ".csv": pl.LazyFrame.sink_csv,
    ".jsonl": pl.LazyFrame.sink_ndjson,
}
"""How a table is written, by the ending of the file."""


@dataclass(frozen=True, eq=False)
class Recommendations:
    """A tidy table, best item first: user_id, rank (from 1), item_id, score, and title if known.

    If fewer items are left than were requested, the list is shorter; it is not padded. The user_id
    of an unseen user is null.
    """

    frame: pl.DataFrame

    @classmethod
    def from_codes(
        cls,
        dataset: Dataset,
        users: np.ndarray,
        items: np.ndarray,
        scores: np.ndarray,
        lengths: np.ndarray,
    ) -> "Recommendations":
        """Decodes the top lists of a block of users.

        Args:
            dataset: the data set with the vocabularies and titles.
            users: (n,) user codes, UNKNOWN for an unseen user.
            items: (n, k) item codes, best first.
            scores: (n, k) float32.
            lengths: (n,) number of valid entries in each row.
        """  # fmt: skip
        k = items.shape[1]
        is_valid = np.arange(k) < lengths[:, None]
        codes = items[is_valid]
        columns = {
            "user_id": dataset.user_vocabulary.decode(np.repeat(users, lengths)),
            "rank": pl.Series(np.broadcast_to(np.arange(1, k + 1), items.shape)[is_valid]),
            "item_id": dataset.item_vocabulary.decode(codes),
            "score": pl.Series(scores[is_valid].astype(np.float32)),
        }
        if "title" in dataset.catalog.columns:
            columns["title"] = dataset.catalog.frame["title"].gather(codes)
        return cls(pl.DataFrame(columns))

    def __len__(self) -> int:
        return self.frame.height

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.frame.iter_rows(named=True)

    def __repr__(self) -> str:
        with pl.Config(
            tbl_rows=MAX_SHOWN_ROWS, tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True
        ):
            return repr(self.frame)

    def _repr_html_(self) -> str:
        first = self.frame.head(MAX_SHOWN_ROWS)
        return html_table("", first.columns, first.iter_rows(), n_rows=len(self))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Lets any dataframe library read the table without a copy."""
        return self.frame.__arrow_c_stream__(requested_schema)


def write_recommendations(blocks: Iterable[Recommendations], path: Path) -> int:
    """Writes recommendations block by block, so that only one block is in memory at a time.

    Args:
        blocks: at least one, all with the same columns.
        path: a file ending in .parquet, .csv or .jsonl; it appears only once it is complete.

    Returns:
        The number of rows written.

    Raises:
        ConfigError: see `write_table`.
    """
    refuse_output(path)
    frames = (block.frame for block in blocks)
    first = next(frames)
    n_rows = 0

    def stream(*_: object) -> Iterator[pl.DataFrame]:
        nonlocal n_rows
        for frame in chain([first], frames):
            n_rows += frame.height
            yield frame

    write_table(register_io_source(stream, schema=first.schema), path)
    return n_rows


def write_table(table: pl.LazyFrame, path: Path) -> None:
    """Writes lists while they are read, in bounded memory.

    Args:
        table: a table of lists, in the order of its rows.
        path: a file ending in .parquet, .csv or .jsonl; it appears only once it is complete.

    Raises:
        ConfigError: the path has another ending, is a folder, or is in a folder that does not
            exist; or it is a CSV file, which cannot hold reasons (`because`).
    """
    refuse_output(path, because="because" in table.collect_schema())
    # Written in a temporary folder: after Ctrl-C the threads of Polars run on for a moment and
    # would create a removed file again, which they cannot do in a folder that no longer exists.
    with TemporaryDirectory(
        prefix=f".{path.name}.", dir=path.parent, ignore_cleanup_errors=True
    ) as folder:
        temporary = Path(folder) / path.name
        SINKS[path.suffix](table, temporary)
        temporary.replace(path)


def refuse_output(path: Path, *, because: bool = False) -> None:
    """Raises the errors of `write_table` about the path, before there is a table.

    Args:
        path: where the table will be written.
        because: whether the lists have reasons.
    """
    if path.suffix not in SINKS:
        raise ConfigError(
            f'{path}: the format "{path.suffix}" is not supported; use {", ".join(SINKS)}'
        )
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: the folder {path.parent} does not exist")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; give the path of a file")
    if path.suffix == ".csv" and because:
        raise ConfigError(
            f"{path}: a CSV file cannot hold the reasons of because=…; write .parquet or .jsonl"
        )
