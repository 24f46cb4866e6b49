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


def only_latest_event_counts(rules: LogRules) -> bool:
    """Returns whether only the latest event of a user with an item counts, with the weight 1."""
    has_weights = rules.kinds is not None or rules.weight_transform is not None
    return not has_weights and rules.repeats in ("first", "latest", "max")


def joined_rows(
    everything: Dataset,
    code: int,
    touched: Sequence[Touched],
    item_code: Callable[[str], int],
) -> tuple[Dataset, frozenset[int]]:
    """Returns the training data and the events of one user as a data set of this user alone.

    An event that is not newer than the training data of its user and item was in the log from which
    the model was trained, and is left out.

    Args:
        everything: all data of the run, hold-outs included.
        code: the user's code; UNKNOWN for an unseen user.
        touched: the user's events, as from `Touches.standing`.
        item_code: returns the code of an item by key.

    Returns:
        The history, and the codes of its items of which an event is later than the training data.
    """
    retracted = {item_code(event.item_id) for event in touched if event.retracted}
    training_rows = _of_user(everything, code, retracted)
    latest_times = dict(zip(training_rows.items.tolist(), _times(training_rows), strict=True))
    rows = [
        (item, event)
        for event in touched
        if (item := item_code(event.item_id)) != UNKNOWN
        and event.timestamp is not None
        and event.timestamp > latest_times.get(item, -1)
    ]
    later = _as_log(training_rows, rows)
    history = extended(training_rows, [later]) if len(later) else training_rows
    return history, frozenset(later.items.tolist()).intersection(history.items.tolist())


def _of_user(everything: Dataset, code: int, excluded: set[int]) -> Dataset:
    """Returns the training data of one user, without the excluded items, as a data set."""
    start, end = (0, 0) if code == UNKNOWN else everything.indptr[code : code + 2]
    part = slice(int(start), int(end))
    items = everything.items[part]
    keep = ~np.isin(items, list(excluded))
    rejected = np.empty(0, dtype=np.int32)
    if everything.rejected is not None and code != UNKNOWN:
        rejected = everything.rejected.of_users(np.array([code]))[0]
        rejected = rejected[~np.isin(rejected, list(excluded))]

    def kept(column: np.ndarray | None) -> np.ndarray | None:
        return None if column is None else column[part][keep]

    return Dataset(
        everything.name,
        np.zeros(int(keep.sum()), dtype=np.int32),
        items[keep],
        ONE_USER,
        everything.item_vocabulary,
        everything.catalog,
        kept(everything.timestamps),
        weights=kept(everything.weights),
        kinds=kept(everything.kinds),
        rules=everything.rules,
        rejected=Pairs(np.zeros(len(rejected), dtype=np.int32), rejected.astype(np.int32)),
    )


def _times(data: Dataset) -> list[int]:
    """Returns the times of the rows; rows without times count as older than all events."""
    return [-1] * len(data) if data.timestamps is None else data.timestamps.tolist()


def _as_log(training_rows: Dataset, rows: Sequence[tuple[int, Touched]]) -> Dataset:
    """Returns a log of the events that count, which are those with a weight or of a negative kind.

    Args:
        training_rows: the user's training data, whose rules and columns the log has.
        rows: item code and event, by time.
    """
    rules = training_rows.rules
    touched = [event for _, event in rows]
    weights = EventWeights.of(rules).weights_of(
        [event.type for event in touched], [event.value for event in touched]
    )
    weights = weights.astype(np.float32)
    kinds = None
    is_counted = weights > 0
    if rules.kinds is not None:
        codes = [_code_of(rules.kinds, event.type) for _, event in rows]
        kinds = np.array(codes, dtype=np.int8)
        if len(kinds):
            is_counted |= rules.kinds.is_negative[kinds]
        kinds = kinds[is_counted]
    has_weights = training_rows.weights is not None or (weights[is_counted] != 1).any()
    return replace(
        training_rows,
        users=np.zeros(int(is_counted.sum()), dtype=np.int32),
        items=np.array([item for item, _ in rows], dtype=np.int32)[is_counted],
        timestamps=None
        if training_rows.timestamps is None
        else np.array([event.timestamp for _, event in rows], dtype=np.int64)[is_counted],
        weights=weights[is_counted] if has_weights else None,
        kinds=kinds,
        is_log=True,
        rejected=None,
    )


def _code_of(kinds: EventKinds, event_type: str) -> int:
    """Returns the code of a kind; for an unknown kind, the code of the kind with least weight."""
    if event_type in kinds.names:
        return kinds.names.index(event_type)
    return min(range(len(kinds.weights)), key=lambda code: kinds.weights[code][1])
