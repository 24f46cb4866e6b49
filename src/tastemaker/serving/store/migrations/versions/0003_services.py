"""Deployments belong to a service, so that several may share one database."""

import sqlalchemy as sql
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Gives what was deployed so far to the service that has no other name."""
    service = sql.Column("service", sql.String(64), nullable=False, server_default="default")
    op.add_column("deployments", service)
    op.create_index("ix_deployments_service_seq", "deployments", ["service", "seq"])


def downgrade() -> None:
    """Puts the deployments of all services into one log again."""
    op.drop_index("ix_deployments_service_seq", "deployments")
    op.drop_column("deployments", "service")
