"""Event rows: a user's events joined with the user's training data by the rules of the data."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from tastemaker.data.dataset import Dataset
from tastemaker.data.event_kinds import EventKinds
from tastemaker.data.extending import extended
from tastemaker.data.log_rules import LogRules
from tastemaker.data.pairs import Pairs
from tastemaker.data.vocabulary import UNKNOWN, Vocabulary
from tastemaker.serving.store.event_weights import EventWeights
from tastemaker.serving.store.touches import Touched

ONE_USER = Vocabulary(pl.Series("user_id", [0]), "user")
"""The vocabulary of a data set of one user."""


def are_plain(rules: LogRules) -> bool:
    """Returns whether only the latest event with each item counts, with the weight 1."""
    has_weights = rules.kinds is not None or rules.weight_transform is not None
    return not has_weights and rules.repeats in ("first", "latest", "max")


def joined_rows(
    everything: Dataset,
    code: int,
    touched: Sequence[Touched],
    item_code: Callable[[str], int],
) -> Dataset:
    """Returns the history of one user as a data set of one user.

    An event that is not newer than the training data of its user and item was part of a log from
    which the model has learned, and is left out.

    Args:
        everything: all data of the run, hold-outs included.
        code: the user's code; UNKNOWN for an unseen user.
        touched: the events of the user that stand, by time.
        item_code: returns the code of an item by key.
    """
    retracted = {item_code(event.item_id) for event in touched if event.retracted}
    trained = _of_user(everything, code, retracted)
    newest = dict(zip(trained.items.tolist(), _times(trained), strict=True))
    rows = [
        (item, event)
        for event in touched
        if (item := item_code(event.item_id)) != UNKNOWN
        and event.timestamp is not None
        and event.timestamp > newest.get(item, -1)
    ]
    later = _as_log(trained, rows)
    return extended(trained, [later]) if len(later) else trained


def _of_user(everything: Dataset, code: int, without: set[int]) -> Dataset:
    """Returns the training data of one user, without some items, as a data set of one user."""
    start, end = (0, 0) if code == UNKNOWN else everything.indptr[code : code + 2]
    part = slice(int(start), int(end))
    items = everything.items[part]
    keep = ~np.isin(items, list(without))
    rejected = np.empty(0, dtype=np.int32)
    if everything.rejected is not None and code != UNKNOWN:
        rejected = everything.rejected.of_users(np.array([code]))[0]
        rejected = rejected[~np.isin(rejected, list(without))]

    def own(column: np.ndarray | None) -> np.ndarray | None:
        return None if column is None else column[part][keep]

    return Dataset(
        everything.name,
        np.zeros(int(keep.sum()), dtype=np.int32),
        items[keep],
        ONE_USER,
        everything.item_vocabulary,
        everything.catalog,
        own(everything.timestamps),
        weights=own(everything.weights),
        kinds=own(everything.kinds),
        rules=everything.rules,
        rejected=Pairs(np.zeros(len(rejected), dtype=np.int32), rejected.astype(np.int32)),
    )


def _times(data: Dataset) -> list[int]:
    """Returns the times of the rows; a history without times counts as older than all events."""
    return [-1] * len(data) if data.timestamps is None else data.timestamps.tolist()


def _as_log(trained: Dataset, rows: Sequence[tuple[int, Touched]]) -> Dataset:
    """Returns events that count as rows of a log, after those of the training data."""
    rules = trained.rules
    weights_of = EventWeights.of(rules)
    weights = np.array(
        [weights_of.weight_of(event.type, event.value) for _, event in rows], dtype=np.float32
    )
    kinds = None
    counts = weights > 0
    if rules.kinds is not None:
        codes = [_code_of(rules.kinds, event.type) for _, event in rows]
        kinds = np.array(codes, dtype=np.int8)
        counts |= rules.kinds.is_negative[kinds] if len(kinds) else counts
        kinds = kinds[counts]
    has_weights = trained.weights is not None or (weights[counts] != 1).any()
    return replace(
        trained,
        users=np.zeros(int(counts.sum()), dtype=np.int32),
        items=np.array([item for item, _ in rows], dtype=np.int32)[counts],
        timestamps=None
        if trained.timestamps is None
        else np.array([event.timestamp for _, event in rows], dtype=np.int64)[counts],
        weights=weights[counts] if has_weights else None,
        kinds=kinds,
        is_log=True,
        rejected=None,
    )


def _code_of(kinds: EventKinds, event_type: str) -> int:
    """Returns the code of a kind; a kind that training did not see is like the lightest one."""
    if event_type in kinds.names:
        return kinds.names.index(event_type)
    return min(range(len(kinds.weights)), key=lambda code: kinds.weights[code][1])
