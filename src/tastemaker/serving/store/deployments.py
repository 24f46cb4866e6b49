"""Deployments: a log of which trained model serves, since when, and why."""

import time
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sql

from tastemaker.bundle.bundle import Bundle, open_run
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.serving.store.database import Database, bump_counter
from tastemaker.serving.store.tables import deployments
from tastemaker.training.run import DeviceName

Reason = Literal["start", "reload", "learned", "rollback"]

DEFAULT_SERVICE = "default"
"""The name of a service for which no name was given."""


@dataclass(frozen=True)
class DeploymentRecord:
    """One row of the log; the last row of a service is its current model."""

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


class DeploymentLog:
    """The log of one service's deployments in the database."""

    def __init__(self, database: Database, service: str = DEFAULT_SERVICE) -> None:
        self._database, self._service = database, service
        self._newest_first = (
            sql.select(*(deployments.c[field.name] for field in fields(DeploymentRecord)))
            .where(deployments.c.service == service)
            .order_by(deployments.c.seq.desc())
        )

    def newest(self, limit: int, before: int | None = None) -> list[DeploymentRecord]:
        """Returns the newest deployments, newest first.

        Args:
            limit: maximum number of deployments.
            before: if given, only deployments before the one with this number.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        query = self._newest_first.limit(limit)
        return self._read(query if before is None else query.where(deployments.c.seq < before))

    def latest(self) -> DeploymentRecord | None:
        """Returns the current deployment, None before the first.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        return next(iter(self.newest(1)), None)

    def of_other_versions(self, version: str, limit: int) -> list[DeploymentRecord]:
        """Returns at most `limit` deployments of models of other versions, newest first.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        query = self._newest_first.where(deployments.c.version != version)
        return self._read(query.limit(limit))

    def of(self, seq: int) -> DeploymentRecord | None:
        """Returns the deployment with a number, None if this service has no such one.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        return next(iter(self._read(self._newest_first.where(deployments.c.seq == seq))), None)

    def _read(self, query: sql.Select[Any]) -> list[DeploymentRecord]:
        with self._database.reading() as connection:
            return [DeploymentRecord(*row) for row in connection.execute(query)]

    def begin(self, bundle: Bundle) -> DeploymentRecord:
        """Returns the deployment with which a service of a run starts: the last one, or the run's.

        The run is deployed if no deployment of the service has its version, as at the first start
        or after a new training in its folder.

        Raises:
            ConfigError: the service belongs to another run.
            DatabaseUnavailableError: the database does not answer.
        """
        with self._database.writing() as connection:
            if not self._database.is_sqlite:
                # If two runs start at once, the second must find the deployment of the first.
                connection.execute(sql.text("SELECT pg_advisory_xact_lock(7251)"))
            latest = self._latest_of_run(connection, bundle)
            return latest or self._insert(connection, bundle, "start", None)

    def refuse_other_run(self, bundle: Bundle) -> None:
        """Raises ConfigError if the service belongs to another run than that of the bundle."""
        with self._database.reading() as connection:
            self._latest_of_run(connection, bundle)

    def _latest_of_run(self, connection: sql.Connection, bundle: Bundle) -> DeploymentRecord | None:
        """Returns the current deployment if the bundle was ever deployed, else None.

        Raises:
            ConfigError: the service belongs to another run.
        """
        row = connection.execute(self._newest_first.limit(1)).first()
        if row is None:
            return None
        latest = DeploymentRecord(*row)
        same_version = self._newest_first.where(deployments.c.version == bundle.version).limit(1)
        if connection.execute(same_version).first() is not None:
            return latest  # a copy of a deployed run is the same run, in any folder
        deployed_run = _original_run(latest.run)
        own_run = _original_run(str(bundle.path.absolute()))
        if deployed_run != own_run:
            raise ConfigError(
                f'{self._database.name}: the service "{self._service}" of this database serves '
                f"the run {deployed_run}, not {own_run}; serve that run, give this service another "
                'name with service="NAME", or use another database'
            )
        return None

    def record(
        self, bundle: Bundle, reason: Reason, figures: dict[str, Any] | None = None
    ) -> DeploymentRecord:
        """Records that a bundle serves from this moment on.

        Raises:
            DatabaseUnavailableError: nothing was recorded.
        """
        with self._database.writing() as connection:
            return self._insert(connection, bundle, reason, figures)

    def _insert(
        self,
        connection: sql.Connection,
        bundle: Bundle,
        reason: Reason,
        figures: dict[str, Any] | None,
    ) -> DeploymentRecord:
        row = {
            "version": bundle.version,
            "run": str(bundle.path.absolute()),
            "model": bundle.model.name,
            "trained_at": bundle.manifest["created_at"],
            "deployed_at": int(time.time()),
            "reason": reason,
            "figures": bundle.evaluation if figures is None else figures,
        }
        insert = sql.insert(deployments).values(row | {"service": self._service})
        seq = connection.scalar(insert.returning(deployments.c.seq))
        bump_counter(connection, "deployments")
        return DeploymentRecord(seq=seq or 0, **row)


def open_deployment(
    record: DeploymentRecord, device: DeviceName, *, approximate: bool = False
) -> Bundle:
    """Opens the run of a deployment, in its folder or where a later training has moved it.

    Args:
        record: the deployment.
        device: the device on which to compute.
        approximate: whether the run must have an approximate index.

    Raises:
        ArtifactError: neither holds that version any more, or the run has no index.
    """
    run = Path(record.run)
    for folder in (run, run.with_name(run.name + ".previous")):
        bundle = None
        with suppress(ArtifactError):
            bundle = open_run(folder, device)
        if bundle is not None and bundle.version == record.version:
            return bundle.with_index_read() if approximate else bundle
    raise ArtifactError(
        f"{run}: version {record.version} is no longer in this folder, nor in {run.name}.previous"
    )


def _original_run(run: str) -> Path:
    """Returns the run folder to which a learned version or a `.previous` folder belongs."""
    path = Path(run)
    if path.parent.suffix == ".versions":
        return path.parent.with_suffix("")
    return path.with_suffix("") if path.suffix == ".previous" else path
