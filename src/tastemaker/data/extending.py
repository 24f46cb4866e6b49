"""Extends training data by later interactions of the same users."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.folding import pair_keys
from tastemaker.data.pairs import Pairs

if TYPE_CHECKING:
    from tastemaker.data.split import Targets


def extended(data: Dataset, parts: Sequence[Dataset]) -> Dataset:
    """Returns folded data with later interactions of the same users appended to their histories.

    The weights of pairs that occur again are merged by the rules of the data. A later no cancels
    the earlier interactions of its pair, and a later yes ends a rejection.

    Args:
        data: folded data.
        parts: later interactions in the same codes; the rows of a log among them are folded.
    """
    later = _in_one(parts)
    if not (later.is_log or later.rules.repeat_targets or later.rules.kinds):
        return _appended(data, later)
    # Folded again, since a target and another row may be of one pair.
    log, later = later, replace(later, is_log=True).folded()
    earlier, rejected = data, later.rejected
    if log.kinds is not None and log.rules.kinds is not None:
        says_no = log.rows(log.rules.kinds.is_negative[log.kinds])
        earlier = data.rows(~_are_among(data, says_no))
    if data.rejected is not None:
        still = data.rejected.rows(~_are_among(data.rejected, later))
        rejected = still if rejected is None else _united(still, rejected)
    whole = _appended(earlier, later)
    if whole.rules.repeats != "keep":
        # Each part has counted its own rows already.
        whole = whole.merged("sum" if whole.rules.repeats == "count" else whole.rules.repeats)
    return replace(whole, rejected=rejected, n_duplicates=data.n_duplicates)


def _in_one(parts: Sequence[Dataset]) -> Dataset:
    """Returns the rows of several parts of a log in the order of user and time."""
    whole = parts[0]
    for part in parts[1:]:
        whole = _appended(whole, part)
    if len(parts) > 1 and whole.timestamps is not None:
        whole = whole.rows(np.lexsort((whole.timestamps, whole.users)))
    return replace(whole, is_log=any(part.is_log for part in parts))


def _appended(first: Dataset, second: Dataset) -> Dataset:
    """Returns the rows of two data sets, those of the first before those of the second per user."""
    return replace(first, **joined_columns(first, second), ratings=None)


def joined_columns(first: "Dataset | Targets", second: "Dataset | Targets") -> dict[str, Any]:
    """Returns the columns of two tables by name, by user, those of the first before the second's.

    Weights that only one of them has are 1 in the other; another column that only one has is None.
    """
    parts = (first, second)
    order = np.argsort(np.concatenate([part.users for part in parts]), kind="stable")

    def joined(name: str) -> np.ndarray | None:
        columns = [getattr(part, name) for part in parts]
        if name == "weights" and any(column is not None for column in columns):
            columns = [
                np.ones(len(part.users), dtype=np.float32) if column is None else column
                for part, column in zip(parts, columns, strict=True)
            ]
        if any(column is None for column in columns):
            return None
        return np.concatenate(columns)[order]

    return {name: joined(name) for name in ("users", "items", "timestamps", "weights", "kinds")}


def _are_among(rows: Dataset | Pairs, others: Dataset | Pairs) -> np.ndarray:
    """Returns (n,) bool: whether the pair of each row is also one of the others."""
    n_items = 1 + max(int(data.items.max(initial=0)) for data in (rows, others))
    return np.isin(
        pair_keys(rows.users, rows.items, n_items), pair_keys(others.users, others.items, n_items)
    )


def _united(first: Pairs, second: Pairs) -> Pairs:
    users = np.concatenate([first.users, second.users])
    return Pairs.of(users, np.concatenate([first.items, second.items]))
