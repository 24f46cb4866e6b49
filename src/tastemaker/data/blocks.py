"""Long columns, some rows at a time, on all cores.

What is made on the way from one column to the next then stays in a core's cache. Made for all rows
at once it would be new memory, which costs more than most of what is done with it.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import polars as pl

ROWS_A_BLOCK = 2**16

FEW_ROWS = 2**18
"""Up to so many, starting threads would take longer than they save."""

Part = TypeVar("Part")
Result = TypeVar("Result")


def blocks(n_rows: int) -> list[slice]:
    """All rows, so many at a time."""
    return [slice(start, start + ROWS_A_BLOCK) for start in range(0, n_rows, ROWS_A_BLOCK)]


def blocks_of_users(users: np.ndarray) -> list[slice]:
    """All rows, about so many at a time, each user's in one block.

    Args:
        users: (n,) codes, ascending.
    """
    starts = np.unique(np.searchsorted(users, users[::ROWS_A_BLOCK])).tolist()
    return list(map(slice, starts, [*starts[1:], len(users)]))


def on_all_cores(
    work: Callable[[Part], Result], parts: Iterable[Part], n_rows: int
) -> list[Result]:
    """Does the work on every part of so many rows, in threads unless they are few.

    Args:
        work: mostly NumPy's, which does not keep other threads waiting.
        parts: blocks, or names of columns.
        n_rows: in all.

    Returns:
        The results in the order of the parts.
    """
    if n_rows <= FEW_ROWS:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        return list(pool.map(work, parts))
