"""Items carry the number of their last change, so that only what has changed since is read."""

import sqlalchemy as sql
from alembic import op

revision = "0004"
down_revision = "0003"

BIG = sql.BigInteger().with_variant(sql.Integer, "sqlite")


def upgrade() -> None:
    """Gives the items so far the number 0: whoever knows no number yet reads them all."""
    changed = sql.Column("changed", BIG, nullable=False, server_default="0")
    op.add_column("items", changed)
    op.create_index("ix_items_changed", "items", ["changed"])
    op.execute("INSERT INTO counters (name, value) VALUES ('numbered_items', 0)")


def downgrade() -> None:
    """Takes the numbers away."""
    op.execute("DELETE FROM counters WHERE name = 'numbered_items'")
    op.drop_index("ix_items_changed", "items")
    op.drop_column("items", "changed")
