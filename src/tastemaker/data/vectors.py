"""Vectors that were computed elsewhere, such as embeddings of pictures, as a column of a table."""

from pathlib import Path

import numpy as np
import polars as pl

from tastemaker.data.rows import Rows
from tastemaker.errors import DataError

VECTORS = "vectors"
"""Name of the column."""


def with_vectors(rows: Rows, vectors: str | Path | np.ndarray) -> Rows:
    """Returns a table with one more column, `vectors`.

    Args:
        rows: n rows.
        vectors: (n, d) numbers, or a NumPy file (.npy) of them, in the order of the rows.

    Raises:
        DataError: there are no n vectors, the file cannot be read, or the table has a column of
            that name.
    """
    name, matrix = "vectors=…", vectors
    if isinstance(vectors, str | Path):
        name, matrix = str(vectors), _read(Path(vectors))
    if not isinstance(matrix, np.ndarray):
        raise DataError(f"{name}: give a NumPy array or file, not a {type(matrix).__name__}")
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or matrix.shape[1] == 0:
        raise DataError(
            f"{name}: an array of the shape {matrix.shape} and the type {matrix.dtype} has no "
            "vectors; give numbers of the shape (rows, numbers in a vector)"
        )
    if len(matrix) != rows.frame.height:
        raise DataError(
            f"{name}: there are {len(matrix):,} vectors, but {rows.source} has "
            f"{rows.frame.height:,} rows; give one vector for each row, in the same order"
        )
    if VECTORS in rows.frame.columns:
        raise DataError(
            f'{rows.source}: there is a column "{VECTORS}" already; rename it, since the vectors '
            f"of {name} have this name"
        )
    column = pl.Series(VECTORS, matrix.astype(np.float32))
    return rows.with_column(column)


def _read(path: Path) -> np.ndarray:
    try:
        # Unlike np.load, this never unpickles, and checks the shape against the file's size.
        return np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DataError(
            f"{path}: is not a NumPy file of numbers ({error}); write one with numpy.save"
        ) from None
