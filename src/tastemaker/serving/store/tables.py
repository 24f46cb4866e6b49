"""The tables of the service's database, which migrations/ creates."""

from typing import NamedTuple

import sqlalchemy as sql

metadata = sql.MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)

BIG = sql.BigInteger().with_variant(sql.Integer, "sqlite")
"""64-bit integer; INTEGER on SQLite, the only type with automatic increments there."""

events = sql.Table(
    "events",
    metadata,
    sql.Column("seq", BIG, primary_key=True, autoincrement=True),
    sql.Column("event_id", sql.String(128), nullable=False, unique=True),
    sql.Column("user_id", sql.String(256), nullable=False),
    sql.Column("item_id", sql.String(256), nullable=False),
    sql.Column("timestamp", BIG, nullable=False),
    sql.Column("type", sql.String(64), nullable=False),
    sql.Column("received_at", BIG, nullable=False),
    sql.Column("value", sql.Double),
    sql.Column("context", sql.Text),
    sql.Index("ix_events_user_id_seq", "user_id", "seq"),
    sql.Index("ix_events_timestamp", "timestamp"),
    sqlite_autoincrement=True,
)
"""The events, one per row. Ids are text here, whatever type they have in the data."""


class NewEvent(NamedTuple):
    """The values of an event that come with it; each has a column of its name in `events`.

    A further one needs a field here, a column and its migration, and a field in `wire.Event`.
    """

    event_id: str
    user_id: str
    item_id: str
    timestamp: int
    type: str
    value: float | None = None
    context: str | None = None
    """Key-value pairs as JSON."""


SENT = tuple(events.c[name] for name in NewEvent._fields)
"""The columns of `events` that come with an event, in the order of NewEvent."""

trending = sql.Table(
    "trending",
    metadata,
    sql.Column("item_id", sql.String(256), primary_key=True),
    sql.Column("weight", sql.Double, nullable=False),
    sql.Column("counted_at", BIG, nullable=False),
)
"""Decayed count of each item's events, as of `counted_at`; updated with every event."""

trending_decay = sql.Table(
    "trending_decay",
    metadata,
    sql.Column("half_life_s", sql.Double, nullable=False),
    sql.Column("event_weights", sql.Text, nullable=False, server_default=""),
)
"""One row: the half-life of `trending`, and the weights of events by which it was counted; empty
before the first count."""

items = sql.Table(
    "items",
    metadata,
    sql.Column("item_id", sql.String(256), primary_key=True),
    sql.Column("title", sql.Text),
    sql.Column("categories", sql.JSON(none_as_null=True)),
    sql.Column("image_url", sql.Text),
    sql.Column("hidden", sql.Boolean, nullable=False),
    sql.Column("available", sql.Boolean, nullable=False),
    sql.Column("deleted", sql.Boolean, nullable=False),
    sql.Column("changed", BIG, nullable=False, server_default="0"),
    sql.Column("features", sql.JSON(none_as_null=True)),
    sql.Index("ix_items_changed", "changed"),
)
"""Items that differ from the catalog of the run. A row's `changed` is the number of its last
change, taken from the counter `items`: the higher of two was committed later."""

users = sql.Table(
    "users",
    metadata,
    sql.Column("user_id", sql.String(256), primary_key=True),
    sql.Column("features", sql.JSON(none_as_null=True), nullable=False),
)
"""Users whose features were sent since the training."""

forgotten = sql.Table(
    "forgotten",
    metadata,
    sql.Column("user_hash", sql.String(64), primary_key=True),
    sql.Column("at", BIG, nullable=False),
)
"""Users whose training data may not be used, by hash: the id itself is to be forgotten too."""

deployments = sql.Table(
    "deployments",
    metadata,
    sql.Column("seq", BIG, primary_key=True, autoincrement=True),
    sql.Column("version", sql.String(64), nullable=False),
    sql.Column("run", sql.Text, nullable=False),
    sql.Column("model", sql.String(64), nullable=False),
    sql.Column("trained_at", sql.String(64), nullable=False),
    sql.Column("deployed_at", BIG, nullable=False),
    sql.Column("reason", sql.String(16), nullable=False),
    sql.Column("figures", sql.JSON(none_as_null=True)),
    sql.Column("service", sql.String(64), nullable=False, server_default="default"),
    sql.Index("ix_deployments_service_seq", "service", "seq"),
    sqlite_autoincrement=True,
)
"""The deployed models and their times; the last row of a service is its current model."""

keys = sql.Table(
    "keys",
    metadata,
    sql.Column("key_id", sql.String(16), primary_key=True),
    sql.Column("hash", sql.String(64), nullable=False),
    sql.Column("scopes", sql.String(64), nullable=False),
    sql.Column("label", sql.Text, nullable=False),
    sql.Column("created_at", BIG, nullable=False),
    sql.Column("revoked_at", BIG),
)
"""API keys, of which only a hash is stored."""

counters = sql.Table(
    "counters",
    metadata,
    sql.Column("name", sql.String(16), primary_key=True),
    sql.Column("value", BIG, nullable=False),
)
"""Incremented with every change of a table that workers hold in memory, so that they notice it."""

COUNTED = ("items", "numbered_items", "forgotten", "deployments", "keys")
"""Counters that the workers read. `numbered_items` is incremented together with `items` by programs
that number the changes of items; it falls behind if an older program still runs."""
