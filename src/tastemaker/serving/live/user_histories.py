"""Users with the joined history of training data and events."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np
import orjson

from tastemaker.data.dataset import Dataset
from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN, Vocabulary
from tastemaker.serving.live.event_rows import joined_rows, only_latest_event_counts
from tastemaker.serving.live.user_features import current_features, trained_features
from tastemaker.serving.store.events import hashed
from tastemaker.serving.store.ids import code_of, key_of
from tastemaker.serving.store.outages import DatabaseUnavailableError
from tastemaker.serving.store.touches import Touched
from tastemaker.serving.store.users import StoredUser, UserStore
from tastemaker.wire import AskedUser

NOTHING = np.array([], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class UserWithHistory:
    """A user for whom a list is requested, given by a code, by a history, or by both."""

    code: int
    """The user's code; UNKNOWN for an unseen user."""
    items: np.ndarray
    """(n,) int64 codes of the items of the history that are in the model's data, oldest first."""
    timestamps: np.ndarray | None
    """(n,) int64 seconds since 1970 UTC, or None if times are not known."""
    new_items: tuple[tuple[str, int], ...] = ()
    """Keys and times of the items of the history that are not in the model's data."""
    from_events: frozenset[int] = frozenset()
    """Codes of the items whose latest time is that of an event."""
    rows: Dataset | None = None
    """The history as a data set of this one user, if it has weights or kinds of events; None if
    each item counts the same."""
    rejected: np.ndarray = field(default_factory=lambda: NOTHING)
    """(m,) int64 codes of the items that the user has rejected."""
    unwanted: frozenset[str] = frozenset()
    """Keys of items that are not in the model's data and that the user has rejected."""
    features: Mapping[str, Any] | None = None
    """Features by name; None if they are those of the training data."""

    @property
    def seen(self) -> np.ndarray:
        """(n,) codes of the items that lists leave out: those of which there is a target event."""
        return self.items if self.rows is None else self.rows.of_targets.items


def user_with_history(
    everything: Dataset,
    key: str,
    stored: StoredUser,
    forgotten: bool,
    item_code: Callable[[str], int] | None = None,
) -> UserWithHistory:
    """Returns a user by key.

    Args:
        everything: all data of the run, hold-outs included.
        key: key of the user.
        stored: what is stored about the user.
        forgotten: whether the run's data of the user may not be used.
        item_code: returns the code of an item by key, if the caller caches codes for many users.
    """
    item_code = item_code or partial(code_of, everything.item_vocabulary)
    code = UNKNOWN if forgotten else code_of(everything.user_vocabulary, key)
    joined = _latest_events if only_latest_event_counts(everything.rules) else _by_rules
    user = joined(everything, code, stored.touched, item_code)
    features = current_features(everything, code, stored.features)
    return user if features is None else replace(user, features=features)


def _latest_events(
    everything: Dataset, code: int, touched: Sequence[Touched], item_code: Callable[[str], int]
) -> UserWithHistory:
    """Returns a user of whose events with an item the latest one alone counts."""
    rows = slice(0, 0) if code == UNKNOWN else slice(*everything.indptr[code : code + 2])
    items = everything.items[rows].astype(np.int64)
    times = None if everything.timestamps is None else everything.timestamps[rows]
    if not touched:
        return UserWithHistory(code, items, times)
    # A history without times counts as older than all events.
    training_times = [0] * len(items) if times is None else times.tolist()
    latest = dict(zip(items.tolist(), training_times, strict=True))
    from_events, new = set(), dict[str, int]()
    for event in touched:
        item = item_code(event.item_id)
        if item == UNKNOWN:
            if event.timestamp is not None:
                new[event.item_id] = event.timestamp
            continue
        if event.retracted:
            latest.pop(item, None)
        if event.timestamp is not None and event.timestamp >= latest.get(item, 0):
            # Inserted again, so that of equal times the event comes after the training data.
            latest.pop(item, None)
            latest[item] = event.timestamp
            from_events.add(item)
    ordered = sorted(latest.items(), key=lambda entry: entry[1])
    return UserWithHistory(
        code,
        np.array([item for item, _ in ordered], dtype=np.int64),
        None if times is None else np.array([time for _, time in ordered], dtype=np.int64),
        tuple(new.items()),
        frozenset(from_events),
    )


def _by_rules(
    everything: Dataset, code: int, touched: Sequence[Touched], item_code: Callable[[str], int]
) -> UserWithHistory:
    """Returns a user whose events have kinds or weights, or are all kept."""
    item_code = cache(item_code)  # finding a code takes far longer than caching it
    rows, from_events = joined_rows(everything, code, touched, item_code)
    kinds = everything.rules.kinds
    new: dict[str, int] = {}
    unwanted: set[str] = set()
    for event in touched:
        if event.timestamp is None or item_code(event.item_id) != UNKNOWN:
            continue
        unwanted.discard(event.item_id)
        if kinds is not None and event.type in kinds.negative:
            new.pop(event.item_id, None)
            unwanted.add(event.item_id)
        elif kinds is None or kinds.predicts(event.type):
            new[event.item_id] = event.timestamp
    return UserWithHistory(
        code,
        rows.items.astype(np.int64),
        rows.timestamps,
        tuple(new.items()),
        from_events,
        rows,
        NOTHING if rows.rejected is None else rows.rejected.items.astype(np.int64),
        frozenset(unwanted),
    )


def unseen_user(everything: Dataset, keys: Sequence[str]) -> UserWithHistory:
    """Returns an unseen user with a history.

    Args:
        everything: all data of the run, hold-outs included.
        keys: keys of items, oldest first; of a repeated one the last occurrence counts.
    """
    ordered = list(dict.fromkeys(reversed(keys)))[::-1]
    codes = {key: code_of(everything.item_vocabulary, key) for key in ordered}
    known_codes = [code for code in codes.values() if code != UNKNOWN]
    new = tuple((key, 0) for key, code in codes.items() if code == UNKNOWN)
    return UserWithHistory(UNKNOWN, np.array(known_codes, dtype=np.int64), None, new)


@dataclass(frozen=True, eq=False)
class RequestedUsers:
    """The users of a request."""

    users: list[UserWithHistory]
    """In the order of the request; a user who occurs twice is the same object."""
    digests: dict[str, int]
    """By key, digests of what is stored about the users."""
    complete: bool
    """Whether what is stored about all users could be read."""


def read_users(
    users: Sequence[AskedUser],
    everything: Dataset,
    forgotten: frozenset[str],
    store: UserStore | None,
) -> RequestedUsers:
    """Returns the users of a request, with their histories.

    Args:
        users: the users by id, by a history, or by both.
        everything: all data of the run, hold-outs included.
        forgotten: hashes of the users whose training history may not be used.
        store: the store of the users; None while the database is unavailable.

    Raises:
        UnknownIdError: an item's id in a history is text where ids are whole numbers.
    """
    vocabulary = everything.user_vocabulary
    names = [_name_of(user, vocabulary) for user in users]
    by_key: dict[str, UserWithHistory] = {}
    digests: dict[str, int] = {}
    complete = True

    def add(key: str, stored: StoredUser) -> None:
        by_key[key] = user_with_history(everything, key, stored, hashed(key) in forgotten)
        digests[key] = digest(stored)

    keys_to_read = sorted({key for key, _ in names if key is not None})
    if store is not None:
        try:
            for key, stored in store.read_each(keys_to_read):
                add(key, stored)
        except DatabaseUnavailableError:
            complete = False
    for key in keys_to_read:
        if key not in by_key:
            add(key, StoredUser())
    by_name = {name: _requested(everything, name, by_key) for name in dict.fromkeys(names)}
    return RequestedUsers([by_name[name] for name in names], digests, complete)


def digest(stored: StoredUser) -> int:
    """Returns a hash of what is stored about a user, on which the lists of the user depend."""
    return hash((tuple(stored.touched), orjson.dumps(stored.features, option=orjson.OPT_SORT_KEYS)))


_Name = tuple[str | None, tuple[int | str, ...] | None]
"""A user of a request: the key, and the items of the history; one of them may be None."""


def _name_of(user: AskedUser, vocabulary: Vocabulary) -> _Name:
    key = None if user.user_id is None else key_of(vocabulary, user.user_id)
    return key, None if user.history is None else tuple(user.history)


def _requested(
    everything: Dataset, name: _Name, by_key: Mapping[str, UserWithHistory]
) -> UserWithHistory:
    """Returns a user of a request; a history replaces only that which is stored for the user."""
    key, history = name
    stored = None if key is None else by_key[key]
    if history is None:
        assert stored is not None, "a request has a user_id or a history"
        return stored
    given = unseen_user(everything, [key_of(everything.item_vocabulary, item) for item in history])
    if stored is None:
        return given
    features = stored.features or trained_features(everything, stored.code)
    rejected, unwanted = stored.rejected, stored.unwanted
    return replace(given, features=features, rejected=rejected, unwanted=unwanted)


def batch_of(users: Sequence[UserWithHistory]) -> UserBatch:
    """Returns some users as a batch for a model."""
    lengths = [len(user.items) for user in users]
    # A history in a request has no times; then the whole batch has none.
    timed = [user.timestamps for user in users if user.timestamps is not None]
    batch = UserBatch(
        np.array([user.code for user in users], dtype=np.int64),
        np.concatenate([NOTHING, *(user.items for user in users)]),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([NOTHING, *timed]) if len(timed) == len(users) else None,
        features=[user.features for user in users]
        if any(user.features is not None for user in users)
        else None,
    )
    has_rows = any(user.rows is not None or len(user.rejected) for user in users)
    return _with_rows(batch, users) if has_rows else batch


def _with_rows(batch: UserBatch, users: Sequence[UserWithHistory]) -> UserBatch:
    """Adds the weights and kinds of histories, and what lists leave out.

    The history in a request has no events; each of its items has the weight 1.
    """
    weights = [
        np.ones(len(user.items), dtype=np.float32)
        if user.rows is None or user.rows.weights is None
        else user.rows.weights
        for user in users
    ]
    kinds = [
        np.zeros(len(user.items), dtype=np.int8)
        if user.rows is None or user.rows.kinds is None
        else user.rows.kinds
        for user in users
    ]
    return replace(
        batch,
        weights=np.concatenate(weights),
        kinds=np.concatenate(kinds),
        seen=_lists(batch, [user.seen for user in users]),
        rejected=_lists(batch, [user.rejected for user in users]),
    )


def _lists(batch: UserBatch, items: Sequence[np.ndarray]) -> UserBatch:
    """Returns the users of a batch with other items."""
    lengths = [len(of_user) for of_user in items]
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return UserBatch(batch.codes, np.concatenate(items).astype(np.int64), indptr)
