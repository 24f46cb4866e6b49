"""People: what training knew of somebody, joined with what has happened since."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.serving.event_store import Touched
from tastemaker.serving.ids import code_of


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody who is asked about: by a code, by a history, or by both."""

    code: int
    """The user's code; UNKNOWN for a stranger."""
    items: np.ndarray
    """(n,) int64 codes of what the model knows of the history, oldest first."""
    timestamps: np.ndarray | None
    """(n,) int64 seconds, or None where times are not known."""
    new_items: tuple[tuple[str, int], ...] = ()
    """Keys and seconds of what is in the history, but not in the model's data."""
    from_events: frozenset[int] = frozenset()
    """Codes of those items whose latest time is an event's."""


def person_of(everything: Dataset, key: str, touched: Sequence[Touched], forgotten: bool) -> Person:
    """A user by key.

    Args:
        everything: what the run holds, hold-outs included.
        key: the user's.
        touched: in events, oldest first.
        forgotten: whether what the run holds of the user may not be used.
    """
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
        item = code_of(everything.item_vocabulary, event.item_id)
        if item == UNKNOWN:
            if not event.retracted:
                new.append((event.item_id, event.timestamp))
        elif event.timestamp >= latest.get(item, 0):
            # Put anew, so that of equal times the event comes after what training knew.
            latest.pop(item, None)
            from_events.discard(item)
            if not event.retracted:
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


def stranger(everything: Dataset, keys: Sequence[str]) -> Person:
    """Somebody known by a history alone: keys of items, oldest first; the later of equal ones."""
    ordered = list(dict.fromkeys(reversed(keys)))[::-1]
    codes = {key: code_of(everything.item_vocabulary, key) for key in ordered}
    known = [code for code in codes.values() if code != UNKNOWN]
    new = tuple((key, 0) for key, code in codes.items() if code == UNKNOWN)
    return Person(UNKNOWN, np.array(known, dtype=np.int64), None, new)


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
