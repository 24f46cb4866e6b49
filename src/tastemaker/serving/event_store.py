"""The event store: what happened, kept exactly once and on disk before anybody is told so."""

import hashlib
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import polars as pl
import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite

from tastemaker.serving.database import Database, raised
from tastemaker.serving.tables import events, forgotten

RETRACT = "retract"
"""The type of an event that takes an item out of a history again."""

LONGEST_JOINED = 10_000
"""Items that are read of one user's events, the latest."""

ROWS_AT_ONCE = 50_000


class NewEvent(NamedTuple):
    """An event that may be new. Ids are text."""

    event_id: str
    user_id: str
    item_id: str
    timestamp: int
    type: str


class Touched(NamedTuple):
    """Where an item stands in the events of one user."""

    item_id: str
    timestamp: int
    """Of the latest event about it."""
    retracted: bool
    """Whether that one takes it out of the history."""


class EventStore:
    """Events in the database; safe for several threads, processes and machines at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        dialect = sqlite if database.is_sqlite else postgresql
        self._insert = (
            dialect.insert(events)
            .on_conflict_do_nothing(index_elements=["event_id"])
            .returning(events.c.event_id)
        )

    def append(self, new: Sequence[NewEvent]) -> int:
        """Keeps the events whose ids are not known yet, all or none; returns how many those are.

        Raises:
            DatabaseAwayError: nothing was kept.
        """
        now = int(time.time())
        # In one order for everybody, so that two batches with the same ids cannot lock each other.
        rows = [event._asdict() | {"received_at": now} for event in sorted(new)]
        with self._database.writing() as connection:
            return len(connection.execute(self._insert, rows).all())

    def touched(self, user_ids: Sequence[str]) -> dict[str, list[Touched]]:
        """What each user touched in events, oldest first, each item once: where it was latest.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        found: dict[str, list[Touched]] = {user_id: [] for user_id in user_ids}
        with self._database.reading() as connection:
            if len(user_ids) == 1:
                rows = connection.execute(_OF_ONE, {"user": user_ids[0]}).all()
            else:
                rows = connection.execute(_OF_MANY, {"users": list(user_ids)}).all()
        latest: dict[tuple[str, str], tuple[int, str]] = {}
        for user_id, item_id, timestamp, kind in reversed(rows):
            latest.pop((user_id, item_id), None)
            latest[user_id, item_id] = timestamp, kind
        for (user_id, item_id), (timestamp, kind) in latest.items():
            found[user_id].append(Touched(item_id, timestamp, kind == RETRACT))
        return found

    def forget(self, user_id: str) -> int:
        """Deletes a user's events and keeps others from using what training knew; how many.

        Raises:
            DatabaseAwayError: nothing was deleted.
        """
        mark = {"user_hash": hashed(user_id), "at": int(time.time())}
        dialect = sqlite if self._database.is_sqlite else postgresql
        with self._database.writing() as connection:
            gone = connection.execute(sql.delete(events).where(events.c.user_id == user_id))
            connection.execute(dialect.insert(forgotten).values(mark).on_conflict_do_nothing())
            raised(connection, "forgotten")
            return gone.rowcount

    def forgotten(self) -> frozenset[str]:
        """Hashes of the users who were forgotten.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        with self._database.reading() as connection:
            return frozenset(connection.scalars(sql.select(forgotten.c.user_hash)))

    def counted(self, since: int, bucket_s: int) -> list[tuple[str, int, int]]:
        """How often each item was touched: (item id, bucket's number, count) for later than then.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        bucket = (events.c.timestamp // bucket_s).label("bucket")
        query = (
            sql.select(events.c.item_id, bucket, sql.func.count())
            .where(events.c.timestamp >= since, events.c.type != RETRACT)
            .group_by(events.c.item_id, bucket)
        )
        with self._database.reading() as connection:
            return [(item, int(number), count) for item, number, count in connection.execute(query)]

    def size(self) -> int:
        """How many events there are."""
        with self._database.reading() as connection:
            return connection.scalar(sql.select(sql.func.count()).select_from(events)) or 0

    def newest(self) -> int:
        """The number of the last event kept, 0 without any."""
        with self._database.reading() as connection:
            return connection.scalar(sql.select(sql.func.max(events.c.seq))) or 0

    def n_since(self, seq: int) -> int:
        """How many events came after the one of that number."""
        query = sql.select(sql.func.count()).select_from(events).where(events.c.seq > seq)
        with self._database.reading() as connection:
            return connection.scalar(query) or 0

    def rows(self) -> Iterator[pl.DataFrame]:
        """All events in the order of their time, some at a time.

        Each frame has event_id, user_id, item_id, timestamp and type.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        query = sql.select(
            events.c.event_id, events.c.user_id, events.c.item_id, events.c.timestamp, events.c.type
        ).order_by(events.c.timestamp, events.c.seq)
        with self._database.reading() as connection:
            streamed = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
            for part in streamed.partitions():
                yield pl.DataFrame([tuple(row) for row in part], schema=SCHEMA, orient="row")


SCHEMA: dict[str, Any] = {
    "event_id": pl.String,
    "user_id": pl.String,
    "item_id": pl.String,
    "timestamp": pl.Int64,
    "type": pl.String,
}
"""Of events as a table."""


def made_up_id() -> str:
    """An id for an event that came without one."""
    return uuid.uuid4().hex


def hashed(user_id: str) -> str:
    """What is kept of somebody who wants to be forgotten."""
    return hashlib.sha256(f"tastemaker:{user_id}".encode()).hexdigest()


_LATEST_FIRST = (events.c.timestamp.desc(), events.c.seq.desc())
_COLUMNS = (events.c.user_id, events.c.item_id, events.c.timestamp, events.c.type)
_OF_ONE = (
    sql.select(*_COLUMNS)
    .where(events.c.user_id == sql.bindparam("user"))
    .order_by(*_LATEST_FIRST)
    .limit(LONGEST_JOINED)
)
_OF_MANY = (
    sql.select(*_COLUMNS)
    .where(events.c.user_id.in_(sql.bindparam("users", expanding=True)))
    .order_by(*_LATEST_FIRST)
    .limit(LONGEST_JOINED * 100)
)
