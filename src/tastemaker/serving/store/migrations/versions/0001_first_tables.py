"""The first tables."""

import sqlalchemy as sql
from alembic import op

revision = "0001"
down_revision = None

BIG = sql.BigInteger().with_variant(sql.Integer, "sqlite")


def upgrade() -> None:
    """Creates all tables and the rows of the counters."""
    op.create_table(
        "events",
        sql.Column("seq", BIG, primary_key=True, autoincrement=True),
        sql.Column("event_id", sql.String(128), nullable=False, unique=True),
        sql.Column("user_id", sql.String(256), nullable=False),
        sql.Column("item_id", sql.String(256), nullable=False),
        sql.Column("timestamp", BIG, nullable=False),
        sql.Column("type", sql.String(64), nullable=False),
        sql.Column("received_at", BIG, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_user_id_timestamp", "events", ["user_id", "timestamp"])
    op.create_index("ix_events_timestamp", "events", ["timestamp"])
    op.create_table(
        "items",
        sql.Column("item_id", sql.String(256), primary_key=True),
        sql.Column("title", sql.Text),
        sql.Column("categories", sql.JSON(none_as_null=True)),
        sql.Column("image_url", sql.Text),
        sql.Column("hidden", sql.Boolean, nullable=False),
        sql.Column("available", sql.Boolean, nullable=False),
        sql.Column("deleted", sql.Boolean, nullable=False),
    )
    op.create_table(
        "forgotten",
        sql.Column("user_hash", sql.String(64), primary_key=True),
        sql.Column("at", BIG, nullable=False),
    )
    op.create_table(
        "deployments",
        sql.Column("seq", BIG, primary_key=True, autoincrement=True),
        sql.Column("version", sql.String(64), nullable=False),
        sql.Column("run", sql.Text, nullable=False),
        sql.Column("model", sql.String(64), nullable=False),
        sql.Column("trained_at", sql.String(64), nullable=False),
        sql.Column("deployed_at", BIG, nullable=False),
        sql.Column("reason", sql.String(16), nullable=False),
        sql.Column("figures", sql.JSON(none_as_null=True)),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "keys",
        sql.Column("key_id", sql.String(16), primary_key=True),
        sql.Column("hash", sql.String(64), nullable=False),
        sql.Column("scopes", sql.String(64), nullable=False),
        sql.Column("label", sql.Text, nullable=False),
        sql.Column("created_at", BIG, nullable=False),
        sql.Column("revoked_at", BIG),
    )
    counters = op.create_table(
        "counters",
        sql.Column("name", sql.String(16), primary_key=True),
        sql.Column("value", BIG, nullable=False),
    )
    names = ("items", "forgotten", "deployments", "keys")
    op.bulk_insert(counters, [{"name": name, "value": 0} for name in names])


def downgrade() -> None:
    """Drops all tables, including the events."""
    for table in ("counters", "keys", "deployments", "forgotten", "items", "events"):
        op.drop_table(table)
