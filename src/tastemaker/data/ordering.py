"""Sorts rows by user, then time, then input order, and selects one row for each pair."""

from typing import Literal

import numpy as np
import polars as pl

from tastemaker.data.blocks import in_threads, user_blocks

Duplicates = Literal["latest", "first"]


def sort_by_user_and_time(columns: dict[str, np.ndarray]) -> None:
    """Sorts the columns stably by user and time, in place if they are already in order of user.

    Args:
        columns: arrays of length n by name: users, int32 codes; timestamps, if any; others.
    """
    if not _is_ascending(columns["users"]):
        order = _stable_argsort(columns["users"])

        def gather(name: str) -> None:
            columns[name] = columns[name][order]

        in_threads(gather, columns, len(columns["users"]))
    if "timestamps" not in columns:
        return

    def sort(block: slice) -> None:
        order = _order_by_user_and_time(columns["users"][block], columns["timestamps"][block])
        if order is not None:
            for column in columns.values():
                column[block] = column[block][order]

    in_threads(sort, user_blocks(columns["users"]), len(columns["users"]))


def first_or_latest(users: np.ndarray, items: np.ndarray, keep: Duplicates) -> np.ndarray:
    """Returns (n,) bool: marks the row to keep of each (user, item) pair; `users` must ascend."""
    kept = np.ones(len(users), dtype=bool)
    n_items = np.int64(items.max(initial=0)) + 1

    def mark(block: slice) -> None:
        pairs = (users[block] - users[block.start]) * n_items + items[block]
        if _has_repeats(pairs):
            pair = pl.Series(pairs)
            kept[block] = pair.is_last_distinct() if keep == "latest" else pair.is_first_distinct()

    in_threads(mark, user_blocks(users), len(users))
    return kept


def _order_by_user_and_time(users: np.ndarray, times: np.ndarray) -> np.ndarray | None:
    """Returns positions that sort one block; None if it is found to be sorted already."""
    first, last = int(times.min()), int(times.max())
    span, row_bits = last - first + 1, len(users).bit_length()
    if (int(users[-1] - users[0]) + 1) * span >= 2 ** (63 - row_bits):
        return np.lexsort((times, users))
    key = (users - users[0]) * np.int64(span) + (times - first)
    return None if _is_ascending(key) else _stable_argsort(key)


def _stable_argsort(key: np.ndarray) -> np.ndarray:
    """Returns positions that sort numbers, 0 or above, that leave room for a position in 63 bits.

    Each number gets its position as its lowest bits, which makes it unique, so that the result of
    NumPy's fastest sort, which is not stable, is that of a stable one.
    """
    row_bits = len(key).bit_length()
    packed = key.astype(np.int64) << row_bits
    packed |= np.arange(len(key))
    packed.sort()
    packed &= (1 << row_bits) - 1
    return packed


def _is_ascending(values: np.ndarray) -> bool:
    return bool((values[1:] >= values[:-1]).all())


def _has_repeats(values: np.ndarray) -> bool:
    ordered = np.sort(values)
    return bool((ordered[1:] == ordered[:-1]).any())
