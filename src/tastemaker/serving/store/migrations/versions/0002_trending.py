"""Trending is kept with the events, and a user's events are read in the order of their arrival.

The table of what is trending begins empty; the next start of a service fills it from the events,
since only the service's settings say how fast an event loses its weight.
"""

import sqlalchemy as sql
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sql.BigInteger().with_variant(sql.Integer, "sqlite")


def upgrade() -> None:
    """Makes the tables of what is trending and exchanges the index of the users."""
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
    """Takes both back."""
    op.create_index("ix_events_user_id_timestamp", "events", ["user_id", "timestamp"])
    op.drop_index("ix_events_user_id_seq", "events")
    op.drop_table("trending_decay")
    op.drop_table("trending")
