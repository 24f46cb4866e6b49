"""Deployments: which trained model serves, since when, and why."""

import time
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sql

from tastemaker.bundle.bundle import Bundle
from tastemaker.serving.database import Database, raised
from tastemaker.serving.tables import deployments

Reason = Literal["start", "reload", "learned", "rollback"]


@dataclass(frozen=True)
class DeploymentRecord:
    """One row of the log; the last one serves."""

    seq: int
    version: str
    run: str
    """The run folder, absolute."""
    model: str
    trained_at: str
    deployed_at: int
    """Seconds since 1970 UTC."""
    reason: Reason
    figures: dict[str, Any] | None


class Deployments:
    """The log of deployments in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[DeploymentRecord]:
        """The newest first.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        query = sql.select(deployments).order_by(deployments.c.seq.desc())
        with self._database.reading() as connection:
            return [DeploymentRecord(*row) for row in connection.execute(query)]

    def latest(self) -> DeploymentRecord | None:
        """The one that serves, None before the first.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        query = sql.select(deployments).order_by(deployments.c.seq.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else DeploymentRecord(*row)

    def record(
        self, bundle: Bundle, reason: Reason, figures: dict[str, Any] | None = None
    ) -> DeploymentRecord:
        """Says that a bundle serves from now on.

        Raises:
            DatabaseAwayError: nothing has changed.
        """
        row = {
            "version": bundle.version,
            "run": str(bundle.path.absolute()),
            "model": bundle.model.name,
            "trained_at": bundle.manifest["created_at"],
            "deployed_at": int(time.time()),
            "reason": reason,
            "figures": bundle.evaluation if figures is None else figures,
        }
        with self._database.writing() as connection:
            seq = connection.scalar(
                sql.insert(deployments).values(row).returning(deployments.c.seq)
            )
            raised(connection, "deployments")
        return DeploymentRecord(seq=seq or 0, **row)
