"""Adds the number of its last change to each item, so that only changed items need be read."""

import sqlalchemy as sql
from alembic import op

revision = "0004"
down_revision = "0003"

BIG = sql.BigInteger().with_variant(sql.Integer, "sqlite")


def upgrade() -> None:
    """Gives existing items the number 0; a worker that has read no number yet reads all items."""
    changed = sql.Column("changed", BIG, nullable=False, server_default="0")
    op.add_column("items", changed)
    op.create_index("ix_items_changed", "items", ["changed"])
    op.execute("INSERT INTO counters (name, value) VALUES ('numbered_items', 0)")


def downgrade() -> None:
    """Removes the numbers."""
    op.execute("DELETE FROM counters WHERE name = 'numbered_items'")
    op.drop_index("ix_items_changed", "items")
    op.drop_column("items", "changed")
