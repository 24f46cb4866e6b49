"""People: what training knew of somebody, joined with what has happened since."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN, Vocabulary
from tastemaker.serving.store.events import EventStore, hashed
from tastemaker.serving.store.ids import code_of, key_of
from tastemaker.serving.store.outages import DatabaseAwayError
from tastemaker.serving.store.touches import Touched
from tastemaker.wire import AskedUser


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody who is asked about: by a code, by a history, or by both."""

    code: int
    """The user's code; UNKNOWN for an unseen user."""
    items: np.ndarray
    """(n,) int64 codes of what the model knows of the history, oldest first."""
    timestamps: np.ndarray | None
    """(n,) int64 seconds, or None where times are not known."""
    new_items: tuple[tuple[str, int], ...] = ()
    """Keys and seconds of what is in the history, but not in the model's data."""
    from_events: frozenset[int] = frozenset()
    """Codes of those items whose latest time is an event's."""


def person_of(
    everything: Dataset,
    key: str,
    touched: Sequence[Touched],
    forgotten: bool,
    item_code: Callable[[str], int] | None = None,
) -> Person:
    """A user by key.

    Args:
        everything: what the run holds, hold-outs included.
        key: the user's.
        touched: in events, by time.
        forgotten: whether what the run holds of the user may not be used.
        item_code: the codes of items by key, for whoever has them at hand for many users.
    """
    item_code = item_code or partial(code_of, everything.item_vocabulary)
    code = UNKNOWN if forgotten else code_of(everything.user_vocabulary, key)
    rows = slice(0, 0) if code == UNKNOWN else slice(*everything.indptr[code : code + 2])
    items = everything.items[rows].astype(np.int64)
    times = None if everything.timestamps is None else everything.timestamps[rows]
    if not touched:
        return Person(code, items, times)
    # A history without times is one of long ago.
    before = [0] * len(items) if times is None else times.tolist()
    latest = dict(zip(items.tolist(), before, strict=True))
    from_events, new = set(), []
    for event in touched:
        item = item_code(event.item_id)
        if item == UNKNOWN:
            if event.timestamp is not None:
                new.append((event.item_id, event.timestamp))
            continue
        if event.retracted:
            latest.pop(item, None)
        if event.timestamp is not None and event.timestamp >= latest.get(item, 0):
            # Put anew, so that of equal times the event comes after what training knew.
            latest.pop(item, None)
            latest[item] = event.timestamp
            from_events.add(item)
    ordered = sorted(latest.items(), key=lambda entry: entry[1])
    return Person(
        code,
        np.array([item for item, _ in ordered], dtype=np.int64),
        None if times is None else np.array([time for _, time in ordered], dtype=np.int64),
        tuple(new),
        frozenset(from_events),
    )


def unseen_user(everything: Dataset, keys: Sequence[str]) -> Person:
    """Somebody known by a history alone: keys of items, oldest first; the later of equal ones."""
    ordered = list(dict.fromkeys(reversed(keys)))[::-1]
    codes = {key: code_of(everything.item_vocabulary, key) for key in ordered}
    known = [code for code in codes.values() if code != UNKNOWN]
    new = tuple((key, 0) for key, code in codes.items() if code == UNKNOWN)
    return Person(UNKNOWN, np.array(known, dtype=np.int64), None, new)


@dataclass(frozen=True, eq=False)
class Gathered:
    """The people of a request."""

    people: list[Person]
    """In the order of the request; whoever is asked about twice is one object."""
    digests: dict[str, int]
    """By key, of what was touched in events: equal ones stand for equal events."""
    complete: bool
    """Whether the database had all that was asked of it."""


def gather(
    users: Sequence[AskedUser],
    everything: Dataset,
    forgotten: frozenset[str],
    events: EventStore | None,
) -> Gathered:
    """The people that a request asks about.

    Args:
        users: by id, by a history, or by both.
        everything: what the run holds, hold-outs included.
        forgotten: hashes of the users whose training history may not be used.
        events: what happened since; None while the database is away.

    Raises:
        UnknownIdError: an item of a history is not of the kind of ids there are.
    """
    vocabulary = everything.user_vocabulary
    names = [_name_of(user, vocabulary) for user in users]
    found: dict[_Name, Person] = {}
    digests: dict[str, int] = {}
    complete = True

    def add(key: str, touched: Sequence[Touched]) -> None:
        found[key] = person_of(everything, key, touched, hashed(key) in forgotten)
        digests[key] = digest(touched)

    for name in names:
        if isinstance(name, tuple) and name not in found:
            keys = [key_of(everything.item_vocabulary, item) for item in name]
            found[name] = unseen_user(everything, keys)
    wanted = sorted({name for name in names if isinstance(name, str)})
    if events is not None:
        try:
            for key, touched in events.each_touched(wanted):
                add(key, touched)
        except DatabaseAwayError:
            complete = False
    for key in wanted:
        if key not in found:
            add(key, [])
    return Gathered([found[name] for name in names], digests, complete)


def digest(touched: Sequence[Touched]) -> int:
    """A number that stands for what somebody touched, where keeping all of it would take much."""
    return hash(tuple(touched))


_Name = str | tuple[int | str, ...]
"""Whom a request asks about: a user by key, or a history."""


def _name_of(user: AskedUser, vocabulary: Vocabulary) -> _Name:
    if user.history is not None:
        return tuple(user.history)
    assert user.user_id is not None, "a request says for whom"
    return key_of(vocabulary, user.user_id)


def batch_of(people: Sequence[Person]) -> UserBatch:
    """The question to a model about some people."""
    lengths = [len(person.items) for person in people]
    # A history in a request has no times; then none of the batch has.
    timed = [person.timestamps for person in people if person.timestamps is not None]
    nothing = np.array([], dtype=np.int64)
    return UserBatch(
        np.array([person.code for person in people], dtype=np.int64),
        np.concatenate([nothing, *(person.items for person in people)]),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([nothing, *timed]) if len(timed) == len(people) else None,
    )
