"""Processes long columns in blocks of rows, on all cores.

The intermediate results of a block stay in a core's cache. For all rows at once they would need new
memory, whose allocation takes longer than most of the operations on it.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import polars as pl

ROWS_PER_BLOCK = 2**16

MAX_ROWS_IN_ONE_THREAD = 2**18
"""Up to this number of rows, starting threads would take longer than they save."""

Part = TypeVar("Part")
Result = TypeVar("Result")


def blocks(n_rows: int) -> list[slice]:
    """Splits all rows into blocks of ROWS_PER_BLOCK rows; the last may be shorter."""
    return [slice(start, start + ROWS_PER_BLOCK) for start in range(0, n_rows, ROWS_PER_BLOCK)]


def user_blocks(users: np.ndarray) -> list[slice]:
    """Splits all rows into blocks of about ROWS_PER_BLOCK rows, each user's rows in one block.

    Args:
        users: (n,) codes, ascending.
    """
    starts = np.unique(np.searchsorted(users, users[::ROWS_PER_BLOCK])).tolist()
    return list(map(slice, starts, [*starts[1:], len(users)]))


def in_threads(work: Callable[[Part], Result], parts: Iterable[Part], n_rows: int) -> list[Result]:
    """Applies `work` to every part, in threads beyond MAX_ROWS_IN_ONE_THREAD rows in all.

    Args:
        work: a function that spends most of its time in NumPy, which does not block other threads.
        parts: blocks, or names of columns.
        n_rows: total number of rows.

    Returns:
        The results in the order of the parts.
    """
    if n_rows <= MAX_ROWS_IN_ONE_THREAD:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        return list(pool.map(work, parts))
