"""Adds the features of items, by which models that read them recommend new items."""

import sqlalchemy as sql
from alembic import op

revision = "0006"
down_revision = "0005"

additive = True


def upgrade() -> None:
    """Existing items have no features."""
    op.add_column("items", sql.Column("features", sql.JSON(none_as_null=True)))


def downgrade() -> None:
    """Removes the features."""
    op.drop_column("items", "features")
