"""Rows in the order of user, then time, then input, and one row for each pair."""

from typing import Literal

import numpy as np
import polars as pl

from tastemaker.data.blocks import blocks_of_users, on_all_cores

Duplicates = Literal["latest", "first"]


def sort_by_user_and_time(columns: dict[str, np.ndarray]) -> None:
    """Sorts stably, in the arrays themselves where each user's rows are together already.

    Args:
        columns: arrays of one length by name: users, (n,) int32 codes; timestamps, if any; others.
    """
    if not _ascend(columns["users"]):
        order = _stable_argsort(columns["users"])

        def gather(name: str) -> None:
            columns[name] = columns[name][order]

        on_all_cores(gather, columns, len(columns["users"]))
    if "timestamps" not in columns:
        return

    def sort(block: slice) -> None:
        order = _order_by_user_and_time(columns["users"][block], columns["timestamps"][block])
        if order is not None:
            for column in columns.values():
                column[block] = column[block][order]

    on_all_cores(sort, blocks_of_users(columns["users"]), len(columns["users"]))


def first_or_latest(users: np.ndarray, items: np.ndarray, keep: Duplicates) -> np.ndarray:
    """(n,) bool: of the rows of each (user, item) pair, the one to keep; users ascend."""
    kept = np.ones(len(users), dtype=bool)
    n_items = np.int64(items.max(initial=0)) + 1

    def mark(block: slice) -> None:
        pairs = (users[block] - users[block.start]) * n_items + items[block]
        if _has_repeats(pairs):
            pair = pl.Series(pairs)
            kept[block] = pair.is_last_distinct() if keep == "latest" else pair.is_first_distinct()

    on_all_cores(mark, blocks_of_users(users), len(users))
    return kept


def _order_by_user_and_time(users: np.ndarray, times: np.ndarray) -> np.ndarray | None:
    """Positions that sort one block; None where it is sorted already."""
    first, last = int(times.min()), int(times.max())
    span, row_bits = last - first + 1, len(users).bit_length()
    if (int(users[-1] - users[0]) + 1) * span >= 2 ** (63 - row_bits):
        return np.lexsort((times, users))
    key = (users - users[0]) * np.int64(span) + (times - first)
    return None if _ascend(key) else _stable_argsort(key)


def _stable_argsort(key: np.ndarray) -> np.ndarray:
    """Positions that sort numbers from 0 that leave enough of 63 bits for a position.

    With its position in its lowest bits each number is unique, so that NumPy's fastest sort, which
    is not stable, has no choice but to be so.
    """
    row_bits = len(key).bit_length()
    packed = key.astype(np.int64) << row_bits
    packed |= np.arange(len(key))
    packed.sort()
    packed &= (1 << row_bits) - 1
    return packed


def _ascend(values: np.ndarray) -> bool:
    return bool((values[1:] >= values[:-1]).all())


def _has_repeats(values: np.ndarray) -> bool:
    ordered = np.sort(values)
    return bool((ordered[1:] == ordered[:-1]).any())
