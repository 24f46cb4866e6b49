"""Adds the features of users, by which models that read them recommend to new users.

An older program would not delete the features of a user who is to be forgotten, so it may not use
the tables.
"""

import sqlalchemy as sql
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Creates the table; no user has features yet."""
    op.create_table(
        "users",
        sql.Column("user_id", sql.String(256), primary_key=True),
        sql.Column("features", sql.JSON(none_as_null=True), nullable=False),
    )


def downgrade() -> None:
    """Removes the features."""
    op.drop_table("users")
