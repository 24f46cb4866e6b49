"""The trending store: a decayed count of each item's events, updated with every event.

An event counts its weight when it happens and half as much after each half-life. The sum over an
item's events can be updated without reading the events, since it decays as they do (forward decay,
Cormode et al., "Forward Decay: A Practical Time Decay Model for Streaming Systems", 2009). So one
row per item is enough, and the time of a read or a write does not depend on the number of events.
"""

import time
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite

from tastemaker.serving.store.database import Database
from tastemaker.serving.store.event_weights import EventWeights
from tastemaker.serving.store.tables import events, trending, trending_decay

RETRACT = "retract"
"""The type of an event that removes an item from a history."""

HALF_LIVES = 10
"""Number of half-lives without events after which an item no longer counts."""

MIN_EXPONENT = -60.0
"""Lower bound of all exponents of 2, so that no product of weights underflows."""

ALL_ALIKE = EventWeights()
"""Every event counts 1."""

RECOUNT_S = 600
"""Timeout, in seconds, of a count of all events, which only a new half-life makes necessary."""


class CountChange(NamedTuple):
    """One event as it is counted."""

    item_id: str
    happened_at: int
    """Seconds since 1970 UTC; at most the time of arrival, whatever the sender's clock."""
    n: int
    """1 for a new event, -1 for one that is removed."""
    type: str
    value: float | None = None


class TrendingWeights(NamedTuple):
    """The weights of all recently touched items."""

    rows: list[tuple[str, float, int]]
    """Item id, weight, and when the item had that weight, in seconds since 1970 UTC."""
    half_life_s: float


class TrendingStore:
    """Weights of the items in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._upsert = _upsert_of(database)

    def begin(self, half_life_s: float, weights: EventWeights = ALL_ALIKE) -> None:
        """Counts all events again unless the table has this half-life and these weights already.

        They belong to the database: if services disagree, those of the last start are used.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        wanted = (half_life_s, weights.to_json())
        with self._database.reading() as connection:
            if connection.execute(_DECAY).first() == wanted:
                return
        with self._database.writing(timeout_s=RECOUNT_S) as connection:
            if not self._database.is_sqlite:
                # Every writer reads the half-life first, and so waits until the count is complete.
                connection.execute(sql.text("LOCK TABLE trending_decay IN ACCESS EXCLUSIVE MODE"))
            if connection.execute(_DECAY).first() == wanted:
                return  # another worker has counted meanwhile
            connection.execute(sql.delete(trending_decay))
            connection.execute(sql.delete(trending))
            connection.execute(
                sql.insert(trending_decay).values(
                    half_life_s=half_life_s, event_weights=weights.to_json()
                )
            )
            now = {"now": int(time.time()), "half_life_s": half_life_s}
            connection.execute(_count_all(weights), now)

    def update(self, connection: sql.Connection, changes: Iterable[CountChange]) -> None:
        """Adds events to the counts, or removes them, in the transaction that stores them.

        Before the first `begin` this does nothing, since `begin` counts these events as well.
        """
        row = connection.execute(_DECAY).first()
        if row is None:
            return
        half_life_s, weights = row[0], _weights_from(row[1])
        changes = list(changes)
        counted = weights.weights_of(
            [change.type for change in changes], [change.value for change in changes]
        )
        changes_of: dict[str, list[tuple[CountChange, float]]] = defaultdict(list)
        for change, weight in zip(changes, counted.tolist(), strict=True):
            changes_of[change.item_id].append((change, weight))
        rows = []
        # All writers use the same order, so that two batches about the same items cannot deadlock.
        for item_id in sorted(changes_of):
            at = max(change.happened_at for change, _ in changes_of[item_id])
            gain = sum(
                change.n * weight * decayed_weight(at - change.happened_at, half_life_s)
                for change, weight in changes_of[item_id]
            )
            if gain:
                rows.append(
                    {"item": item_id, "gain": gain, "at": at, "half_life_s": half_life_s}
                    | {"first": max(0.0, gain)}
                )
        if rows:
            connection.execute(self._upsert, rows)

    def weights(self) -> TrendingWeights | None:
        """Returns the weight of each recently touched item; None before the first `begin`.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        with self._database.reading() as connection:
            half_life_s = connection.scalar(_HALF_LIFE)
            if half_life_s is None:
                return None
            since = {"since": int(time.time() - HALF_LIVES * half_life_s)}
            rows = connection.execute(_RECENT, since)
            return TrendingWeights([tuple(row) for row in rows], half_life_s)


def decayed_weight(age_s: float, half_life_s: float) -> float:
    """Returns the weight of an event of a given age."""
    return float(2.0 ** max(MIN_EXPONENT, -age_s / half_life_s))


def _decayed_weight(age_s: sql.ColumnElement[int]) -> sql.ColumnElement[float]:
    """Returns `decayed_weight` as an expression in SQL."""
    exponent = -age_s / sql.bindparam("half_life_s", type_=sql.Double)
    return sql.func.power(2.0, sql.case((exponent < MIN_EXPONENT, MIN_EXPONENT), else_=exponent))


def _minimum(first: sql.ColumnElement[int], second: sql.ColumnElement[int]) -> sql.Case[int]:
    return sql.case((first < second, first), else_=second)


def _upsert_of(database: Database) -> sql.Insert:
    dialect = sqlite if database.is_sqlite else postgresql
    at, gain = sql.bindparam("at", type_=sql.BigInteger), sql.bindparam("gain", type_=sql.Double)
    later = sql.case((trending.c.counted_at < at, at), else_=trending.c.counted_at)
    weight = trending.c.weight * _decayed_weight(later - trending.c.counted_at)
    weight = weight + gain * _decayed_weight(later - at)
    return (
        dialect.insert(trending)
        .values(item_id=sql.bindparam("item"), weight=sql.bindparam("first"), counted_at=at)
        .on_conflict_do_update(
            index_elements=["item_id"],
            # Rounding may leave a weight slightly below 0.
            set_={"weight": sql.case((weight < 0, 0.0), else_=weight), "counted_at": later},
        )
    )


_HALF_LIFE = sql.select(trending_decay.c.half_life_s)
_DECAY = sql.select(trending_decay.c.half_life_s, trending_decay.c.event_weights)
_RECENT = sql.select(trending.c.item_id, trending.c.weight, trending.c.counted_at).where(
    trending.c.counted_at >= sql.bindparam("since"), trending.c.weight > 0
)
_NOW = sql.bindparam("now", type_=sql.BigInteger)
_retractions = (
    sql.select(events.c.user_id, events.c.item_id, sql.func.max(events.c.seq).label("seq"))
    .where(events.c.type == RETRACT)
    .group_by(events.c.user_id, events.c.item_id)
    .subquery()
)
_happened_at = _minimum(events.c.timestamp, events.c.received_at)


def _count_all(weights: EventWeights) -> sql.Insert:
    """Returns the statement that counts all events."""
    decayed = _decayed_weight(_NOW - _minimum(_happened_at, _NOW))
    retracted_by = (events.c.user_id == _retractions.c.user_id) & (
        events.c.item_id == _retractions.c.item_id
    )
    return sql.insert(trending).from_select(
        ["item_id", "weight", "counted_at"],
        sql.select(events.c.item_id, sql.func.sum(weights.in_sql() * decayed), _NOW)
        .select_from(events.outerjoin(_retractions, retracted_by))
        .where(
            events.c.type != RETRACT,
            _retractions.c.seq.is_(None) | (events.c.seq > _retractions.c.seq),
        )
        .group_by(events.c.item_id),
    )


@lru_cache(maxsize=16)
def _weights_from(text: str) -> EventWeights:
    return EventWeights.from_json(text) if text else ALL_ALIKE
