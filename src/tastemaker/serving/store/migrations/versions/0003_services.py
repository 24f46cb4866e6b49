"""Assigns deployments to services, so that several services may share one database."""

import sqlalchemy as sql
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Assigns the existing deployments to the service named "default"."""
    service = sql.Column("service", sql.String(64), nullable=False, server_default="default")
    op.add_column("deployments", service)
    op.create_index("ix_deployments_service_seq", "deployments", ["service", "seq"])


def downgrade() -> None:
    """Merges the deployments of all services into one log."""
    op.drop_index("ix_deployments_service_seq", "deployments")
    op.drop_column("deployments", "service")
