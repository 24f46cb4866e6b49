"""${message}."""

import sqlalchemy as sql
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
additive = False


def upgrade() -> None:
    """Upgrades to this revision."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Reverts this revision."""
    ${downgrades if downgrades else "pass"}
