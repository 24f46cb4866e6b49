"""The trending store: how many events each item had of late, kept with every event that comes.

An event counts 1 when it happens and half as much after each half-life. The sum over an item's
events needs no look at the events themselves: it halves as they do (forward decay, Cormode et al.,
"Forward Decay: A Practical Time Decay Model for Streaming Systems", 2009). So one row an item is
enough, and neither writing nor reading depends on how many events there are.
"""

import time
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite

from tastemaker.serving.store.database import Database
from tastemaker.serving.store.tables import events, trending, trending_decay

RETRACT = "retract"
"""The type of an event that takes an item out of a history again."""

HALF_LIVES = 10
"""An item without events for so long counts for nothing."""

FAINTEST = -60.0
"""Exponent of 2 below which nothing falls, so that no product of weights underflows."""

RECOUNT_S = 600
"""How long a count of the whole log may take; only another half-life makes one necessary."""


class Touch(NamedTuple):
    """One event as trending sees it."""

    item_id: str
    happened_at: int
    """Seconds since 1970 UTC, and not after the event's arrival, whatever its sender's clock."""
    n: int
    """1 where the event has come, -1 where it is taken out again."""


class TrendingWeights(NamedTuple):
    """What all items that were touched of late weigh."""

    rows: list[tuple[str, float, int]]
    """Item id, weight, and the second at which it had that weight."""
    half_life_s: float


class TrendingStore:
    """Weights of the items in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._upsert = _upsert_of(database)

    def begin(self, half_life_s: float) -> None:
        """Counts all events anew if the table is not kept by this half-life yet.

        The half-life belongs to the database: where services disagree, the last to start decides.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        with self._database.reading() as connection:
            if connection.scalar(_HALF_LIFE) == half_life_s:
                return
        with self._database.writing(longest_s=RECOUNT_S) as connection:
            if not self._database.is_sqlite:
                # Whoever writes reads the half-life first, and so waits here until all is counted.
                connection.execute(sql.text("LOCK TABLE trending_decay IN ACCESS EXCLUSIVE MODE"))
            connection.execute(sql.delete(trending_decay))
            connection.execute(sql.delete(trending))
            connection.execute(sql.insert(trending_decay).values(half_life_s=half_life_s))
            connection.execute(_COUNT_ALL, {"now": int(time.time()), "half_life_s": half_life_s})

    def keep(self, connection: sql.Connection, touches: Iterable[Touch]) -> None:
        """Takes events into the count, or out of it, in the transaction that keeps them.

        Before the first `begin` there is nothing to keep: that will count these events as well.
        """
        half_life_s = connection.scalar(_HALF_LIFE)
        if half_life_s is None:
            return
        of_item: dict[str, list[Touch]] = defaultdict(list)
        for touch in touches:
            of_item[touch.item_id].append(touch)
        rows = []
        # In one order for everybody, so that two batches about the same items do not wait for
        # each other in a circle.
        for item_id in sorted(of_item):
            at = max(touch.happened_at for touch in of_item[item_id])
            weight = sum(
                touch.n * halved(at - touch.happened_at, half_life_s) for touch in of_item[item_id]
            )
            if weight:
                rows.append(
                    {"item": item_id, "gain": weight, "at": at, "half_life_s": half_life_s}
                    | {"first": max(0.0, weight)}
                )
        if rows:
            connection.execute(self._upsert, rows)

    def weights(self) -> TrendingWeights | None:
        """The weight of each item that was touched of late; None before the first `begin`.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        with self._database.reading() as connection:
            half_life_s = connection.scalar(_HALF_LIFE)
            if half_life_s is None:
                return None
            since = {"since": int(time.time() - HALF_LIVES * half_life_s)}
            found = connection.execute(_OF_LATE, since)
            return TrendingWeights([tuple(row) for row in found], half_life_s)


def halved(age_s: float, half_life_s: float) -> float:
    """What an event of that age counts."""
    return float(2.0 ** max(FAINTEST, -age_s / half_life_s))


def _halved(age_s: sql.ColumnElement[int]) -> sql.ColumnElement[float]:
    """The same in SQL."""
    exponent = -age_s / sql.bindparam("half_life_s", type_=sql.Double)
    return sql.func.power(2.0, sql.case((exponent < FAINTEST, FAINTEST), else_=exponent))


def _earlier(one: sql.ColumnElement[int], other: sql.ColumnElement[int]) -> sql.Case[int]:
    return sql.case((one < other, one), else_=other)


def _upsert_of(database: Database) -> sql.Insert:
    dialect = sqlite if database.is_sqlite else postgresql
    at, gain = sql.bindparam("at", type_=sql.BigInteger), sql.bindparam("gain", type_=sql.Double)
    later = sql.case((trending.c.counted_at < at, at), else_=trending.c.counted_at)
    weight = trending.c.weight * _halved(later - trending.c.counted_at) + gain * _halved(later - at)
    return (
        dialect.insert(trending)
        .values(item_id=sql.bindparam("item"), weight=sql.bindparam("first"), counted_at=at)
        .on_conflict_do_update(
            index_elements=["item_id"],
            # What was rounded may leave a little less than nothing.
            set_={"weight": sql.case((weight < 0, 0.0), else_=weight), "counted_at": later},
        )
    )


_HALF_LIFE = sql.select(trending_decay.c.half_life_s)
_OF_LATE = sql.select(trending.c.item_id, trending.c.weight, trending.c.counted_at).where(
    trending.c.counted_at >= sql.bindparam("since"), trending.c.weight > 0
)
_NOW = sql.bindparam("now", type_=sql.BigInteger)
_taken_out = (
    sql.select(events.c.user_id, events.c.item_id, sql.func.max(events.c.seq).label("seq"))
    .where(events.c.type == RETRACT)
    .group_by(events.c.user_id, events.c.item_id)
    .subquery()
)
_happened_at = _earlier(events.c.timestamp, events.c.received_at)
_COUNT_ALL = sql.insert(trending).from_select(
    ["item_id", "weight", "counted_at"],
    sql.select(
        events.c.item_id,
        sql.func.sum(_halved(_NOW - _earlier(_happened_at, _NOW))),
        _NOW,
    )
    .select_from(
        events.outerjoin(
            _taken_out,
            (events.c.user_id == _taken_out.c.user_id) & (events.c.item_id == _taken_out.c.item_id),
        )
    )
    .where(
        events.c.type != RETRACT,
        _taken_out.c.seq.is_(None) | (events.c.seq > _taken_out.c.seq),
    )
    .group_by(events.c.item_id),
)
