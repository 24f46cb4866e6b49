"""The event store: stores each event exactly once, on disk before it is acknowledged."""

import hashlib
import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import polars as pl
import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite

from tastemaker.serving.store.database import Database, bump_counter
from tastemaker.serving.store.tables import SENT, NewEvent, events, forgotten, users
from tastemaker.serving.store.touches import OF_HISTORY
from tastemaker.serving.store.trending import RETRACT, CountChange, TrendingStore

ROWS_AT_ONCE = 50_000

MAX_COUNTED, SAMPLES = 100_000, 50
"""Up to MAX_COUNTED events are counted exactly; more are estimated from SAMPLES samples."""


class StoredEvent(NamedTuple):
    """An event as it is stored."""

    seq: int
    user_id: str
    item_id: str
    timestamp: int
    type: str
    value: float | None


class EventStore:
    """Events in the database; safe for several threads, processes and machines at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._trending = TrendingStore(database)
        dialect = sqlite if database.is_sqlite else postgresql
        self._insert = (
            dialect.insert(events)
            .on_conflict_do_nothing(index_elements=["event_id"])
            .returning(events.c.event_id)
        )

    def append(self, new: Sequence[NewEvent]) -> int:
        """Stores the events whose ids are new, all or none; returns how many those are.

        Raises:
            DatabaseUnavailableError: nothing was stored.
        """
        now = int(time.time())
        rows = [event._asdict() | {"received_at": now} for event in new]
        retracted = {(event.user_id, event.item_id) for event in new if event.type == RETRACT}
        with self._database.writing() as connection:
            if not self._database.is_sqlite:
                rows = self._in_deadlock_free_order(connection, rows, retracted)
            accepted = set(connection.scalars(self._insert, rows).all())
            stored = [event for event in new if event.event_id in accepted]
            first = {event.event_id: event for event in reversed(stored)}.values()
            changes = [
                CountChange(event.item_id, min(event.timestamp, now), 1, event.type, event.value)
                for event in first
                if event.type != RETRACT
            ]
            self._trending.update(
                connection, [*changes, *_removed_by_retractions(connection, retracted, accepted)]
            )
            return len(accepted)

    def _in_deadlock_free_order(
        self,
        connection: sql.Connection,
        rows: list[dict[str, Any]],
        retracted: Collection[tuple[str, str]],
    ) -> list[dict[str, Any]]:
        """Returns the rows sorted by id, so that two batches with the same ids cannot deadlock.

        If the order of the batch matters, the rows get numbers in that order. Of two concurrent
        retractions of a user's item, the second waits, and so sees the result of the first.
        """
        for pair in sorted(retracted):
            connection.execute(_LOCK, {"pair": repr(pair)})
        pairs = {(row["user_id"], row["item_id"]) for row in rows}
        if retracted or len(pairs) < len(rows):
            numbers = connection.scalars(_NUMBERS, {"n": len(rows)}).all()
            rows = [row | {"seq": seq} for row, seq in zip(rows, sorted(numbers), strict=True)]
        return sorted(rows, key=lambda row: str(row["event_id"]))

    def forget(self, user_id: str) -> int:
        """Deletes a user's events and features, and marks the training data as not to be used.

        Returns:
            The number of deleted events.

        Raises:
            DatabaseUnavailableError: nothing was deleted.
        """
        row = {"user_hash": hashed(user_id), "at": int(time.time())}
        dialect = sqlite if self._database.is_sqlite else postgresql
        with self._database.writing() as connection:
            deleted = connection.execute(_FORGET, {"user": user_id}).all()
            self._trending.update(connection, _still_counted(sorted(deleted, key=itemgetter(0))))
            connection.execute(_FORGET_FEATURES, {"user": user_id})
            connection.execute(dialect.insert(forgotten).values(row).on_conflict_do_nothing())
            bump_counter(connection, "forgotten")
            return len(deleted)

    def forgotten(self) -> frozenset[str]:
        """Returns the hashes of the users who were forgotten.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        with self._database.reading() as connection:
            return frozenset(connection.scalars(sql.select(forgotten.c.user_hash)))

    def probe(self) -> None:
        """Reads a single event, to check that events can be read.

        Raises:
            DatabaseUnavailableError: events cannot be read.
        """
        with self._database.reading() as connection:
            connection.execute(sql.select(events.c.seq).limit(1)).all()

    def size(self) -> int:
        """Returns the number of events; if there are many, an estimate in constant time.

        Events have ascending numbers, of which some are missing: those of deleted events and of
        duplicates. The fraction that exists is estimated from evenly spread ranges of numbers.
        """
        with self._database.reading() as connection:
            first, last = connection.execute(_FIRST_AND_LAST).one()
            if first is None:
                return 0
            n = last - first + 1
            if n <= MAX_COUNTED:
                return connection.scalar(_COUNT, {"first": first, "last": last}) or 0
            width = MAX_COUNTED // SAMPLES
            starts = [first + (n - width) * part // (SAMPLES - 1) for part in range(SAMPLES)]
            ranges = [{"first": start, "last": start + width - 1} for start in starts]
            n_in_samples = sum(connection.scalar(_COUNT, ends) or 0 for ends in ranges)
            return round(n * n_in_samples / (width * SAMPLES))

    def newest(self) -> int:
        """Returns the number of the last stored event, 0 if there is none."""
        with self._database.reading() as connection:
            return connection.scalar(sql.select(sql.func.max(events.c.seq))) or 0

    def n_since(self, seq: int) -> int:
        """Returns how many events came after the one with this number."""
        query = sql.select(sql.func.count()).select_from(events).where(events.c.seq > seq)
        with self._database.reading() as connection:
            return connection.scalar(query) or 0

    def newest_events(self, n: int, user_ids: Iterable[str] | None = None) -> Iterator[StoredEvent]:
        """Yields the newest n events, newest first; with users, the newest n of each of them.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        with self._database.reading() as connection:
            if user_ids is None:
                yield from map(StoredEvent._make, connection.execute(_NEWEST, {"n": n}).all())
                return
            for user_id in user_ids:
                rows = connection.execute(_NEWEST_OF_USER, {"user": user_id, "n": n}).all()
                yield from map(StoredEvent._make, rows)

    def per_minute(self, first: int, last: int) -> dict[int, int]:
        """Returns the number of events by minute, from the first to the last minute since 1970.

        Minutes without events are left out.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        minute = (events.c.timestamp // 60).label("minute")
        query = (
            sql.select(minute, sql.func.count())
            .where(events.c.timestamp.between(first * 60, last * 60 + 59))
            .group_by(minute)
        )
        with self._database.reading() as connection:
            return {int(number): count for number, count in connection.execute(query)}

    def rows(self) -> Iterator[pl.DataFrame]:
        """Yields all events in order of arrival, up to ROWS_AT_ONCE at a time.

        Each frame has the columns of SCHEMA.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        last = 0
        while True:
            with self._database.reading() as connection:
                part = connection.execute(_PAGE, {"last": last}).all()
            if not part:
                return
            last = part[-1][0]
            yield pl.DataFrame([row[1:] for row in part], schema=SCHEMA, orient="row")


_TYPES = {str: pl.String, int: pl.Int64, float: pl.Float64}

SCHEMA: dict[str, Any] = {column.name: _TYPES[column.type.python_type] for column in SENT}
"""Columns of a table of events, with their types."""


def random_event_id() -> str:
    """Returns a random id for an event that came without one."""
    return uuid.uuid4().hex


def hashed(user_id: str) -> str:
    """Returns the hash of a user's id, which is stored once the user is forgotten."""
    return hashlib.sha256(f"tastemaker:{user_id}".encode()).hexdigest()


def _removed_by_retractions(
    connection: sql.Connection, pairs: Collection[tuple[str, str]], accepted: Collection[str]
) -> Iterator[CountChange]:
    """Yields, with n = -1, the events that counted until the accepted retractions arrived."""
    items_of: dict[str, list[str]] = defaultdict(list)
    for user_id, item_id in pairs:
        items_of[user_id].append(item_id)
    for user_id, item_ids in items_of.items():
        parameters = {"user": user_id, "items": item_ids}
        counted: dict[str, list[CountChange]] = defaultdict(list)
        for row in connection.execute(_EVENTS_OF_PAIRS, parameters):
            if row.type != RETRACT:
                counted[row.item_id].append(_removal(row))
                continue
            removed = counted.pop(row.item_id, [])
            if row.event_id in accepted:
                yield from removed


def _still_counted(rows: Sequence[Any]) -> Iterator[CountChange]:
    """Returns, with n = -1, the counted events among one user's rows, given in order of arrival."""
    counted: dict[str, list[CountChange]] = defaultdict(list)
    for row in rows:
        if row.type == RETRACT:
            counted.pop(row.item_id, None)
        else:
            counted[row.item_id].append(_removal(row))
    return (change for changes in counted.values() for change in changes)


def _removal(row: Any) -> CountChange:
    """Returns the change that removes an event with the columns of _COUNTED from the counts."""
    happened_at = min(row.timestamp, row.received_at)
    return CountChange(row.item_id, happened_at, -1, row.type, row.value)


_COUNTED = (*OF_HISTORY, events.c.received_at)
"""The columns on which the counts of trending items depend."""


_NEWEST = (
    sql.select(*(events.c[name] for name in StoredEvent._fields))
    .order_by(events.c.seq.desc())
    .limit(sql.bindparam("n"))
)
_NEWEST_OF_USER = _NEWEST.where(events.c.user_id == sql.bindparam("user"))
_EVENTS_OF_PAIRS = (
    sql.select(events.c.event_id, *_COUNTED)
    .where(
        events.c.user_id == sql.bindparam("user"),
        events.c.item_id.in_(sql.bindparam("items", expanding=True)),
    )
    .order_by(events.c.seq)
)
_FIRST_AND_LAST = sql.select(
    sql.select(sql.func.min(events.c.seq)).scalar_subquery(),
    sql.select(sql.func.max(events.c.seq)).scalar_subquery(),
)
"""Two subqueries, since SQLite uses the index only for a single minimum or maximum."""
_COUNT = (
    sql.select(sql.func.count())
    .select_from(events)
    .where(events.c.seq.between(sql.bindparam("first"), sql.bindparam("last")))
)
_FORGET = (
    sql.delete(events)
    .where(events.c.user_id == sql.bindparam("user"))
    .returning(events.c.seq, *_COUNTED)
)
_FORGET_FEATURES = sql.delete(users).where(users.c.user_id == sql.bindparam("user"))
_PAGE = (
    sql.select(events.c.seq, *SENT)
    .where(events.c.seq > sql.bindparam("last"))
    .order_by(events.c.seq)
    .limit(ROWS_AT_ONCE)
)
_LOCK = sql.text("SELECT pg_advisory_xact_lock(hashtextextended(:pair, 7253))")
_NUMBERS = sql.text(
    "SELECT nextval(pg_get_serial_sequence('events', 'seq')) FROM generate_series(1, :n)"
)
