"""Adds tables for trending, and an index to read a user's events in order of arrival.

The table `trending` is empty at first; the next start of a service fills it from the events, since
the half-life of an event's weight is a setting of the service.
"""

import sqlalchemy as sql
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sql.BigInteger().with_variant(sql.Integer, "sqlite")


def upgrade() -> None:
    """Creates the tables for trending, and replaces the index by user."""
    op.create_table(
        "trending",
        sql.Column("item_id", sql.String(256), primary_key=True),
        sql.Column("weight", sql.Double, nullable=False),
        sql.Column("counted_at", BIG, nullable=False),
    )
    op.create_table("trending_decay", sql.Column("half_life_s", sql.Double, nullable=False))
    op.create_index("ix_events_user_id_seq", "events", ["user_id", "seq"])
    op.drop_index("ix_events_user_id_timestamp", "events")


def downgrade() -> None:
    """Reverts both changes."""
    op.create_index("ix_events_user_id_timestamp", "events", ["user_id", "timestamp"])
    op.drop_index("ix_events_user_id_seq", "events")
    op.drop_table("trending_decay")
    op.drop_table("trending")
