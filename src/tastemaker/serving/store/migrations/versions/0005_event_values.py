"""Adds the value and the context of events, and the weights by which trending items are counted."""

import sqlalchemy as sql
from alembic import op

revision = "0005"
down_revision = "0004"

additive = True


def upgrade() -> None:
    """Existing events get neither; an empty text of weights lets the service count them again."""
    op.add_column("events", sql.Column("value", sql.Double))
    op.add_column("events", sql.Column("context", sql.Text))
    weights = sql.Column("event_weights", sql.Text, nullable=False, server_default="")
    op.add_column("trending_decay", weights)


def downgrade() -> None:
    """Removes the columns."""
    op.drop_column("trending_decay", "event_weights")
    op.drop_column("events", "context")
    op.drop_column("events", "value")
