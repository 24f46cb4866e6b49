"""The database: SQLite beside the run, or another by URL, and the handling of its outages."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import sqlalchemy as sql
import structlog
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from tastemaker.errors import ConfigError
from tastemaker.serving.store.connecting import engine_of
from tastemaker.serving.store.outages import (
    FAILURES,
    DatabaseBusyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    Failure,
    database_error,
    first_line,
)
from tastemaker.serving.store.schema import NewerTablesError, bring_up_to_date
from tastemaker.serving.store.tables import COUNTED, counters

MIGRATION_S = 600
"""Timeout of each statement that brings the tables up to date, in seconds."""

RETRY_EVERY_S = 0.5
"""Seconds between checks, in the background, whether the database is available again."""

DEGRADED_S = 10.0
"""Seconds for which the service reports itself as degraded after the database refused something."""

log = structlog.get_logger("tastemaker.service")


@dataclass(frozen=True)
class ChangeToken:
    """State of the database at one moment; it differs from an earlier one if something changed."""

    data_version: int | None
    """On SQLite: equal as long as no other connection has committed. None on other databases."""
    counters: tuple[int, ...]
    """Values of the counters in COUNTED, in the same order."""

    @classmethod
    def of(cls, counters: Mapping[str, int], data_version: int | None = None) -> "ChangeToken":
        """Returns a token with the counters, given by name; a missing counter is 0."""
        return cls(data_version, tuple(counters.get(name, 0) for name in COUNTED))

    def __getitem__(self, name: str) -> int:
        return self.counters[COUNTED.index(name)]


class Database:
    """Connections to the database, all of whose failures are raised as DatabaseUnavailableError.

    While the database is unavailable no caller waits for it: the error is raised at once, and a
    background thread checks whether the database is available again. A statement that is refused or
    too slow is not an outage.
    """

    def __init__(self, url: str) -> None:
        """Creates the engine; the first use connects.

        Raises:
            ConfigError: the URL is invalid, or its driver is not installed.
        """
        try:
            self._engine, self._deadlines = engine_of(url)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
            hint = ' (pip install "tastemaker[postgres]")' if "postgres" in url else ""
            raise ConfigError(
                f"the database URL cannot be used: {first_line(error)}{hint}; a URL looks like "
                "sqlite:///events.db or postgresql+psycopg://user:password@host/name"
            ) from None
        # Each statement commits by itself: no commands are sent to begin and end a transaction.
        self._reads = (
            self._engine
            if self.is_sqlite
            else self._engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._detector = _ChangeDetector(self._engine) if self.is_sqlite else None
        self._change_token: ChangeToken | None = None
        self._outage: DatabaseUnavailableError | None = None
        self._outage_lock = threading.Lock()
        self._closed = threading.Event()
        self._refused_at = -DEGRADED_S

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite, and so a file of this machine."""
        return self._engine.dialect.name == "sqlite"

    @property
    def name(self) -> str:
        """The URL without its password."""
        return self._engine.url.render_as_string(hide_password=True)

    def migrate(self) -> str | None:
        """Creates the tables, or brings those of an older version up to date.

        Returns:
            A note if a newer version made the tables and this one may use them, else None.

        Raises:
            DatabaseUnavailableError: it does not answer.
            ConfigError: a newer version of Tastemaker made the tables, and this one may not use
                them.
        """
        with self.writing(timeout_s=MIGRATION_S) as connection:
            if not self.is_sqlite:
                # Several replicas may start at once.
                connection.execute(sql.text("SELECT pg_advisory_xact_lock(7251)"))
            try:
                newer = bring_up_to_date(connection)
            except NewerTablesError as error:
                raise ConfigError(
                    f"{self.name}: the tables were created by a newer version of Tastemaker "
                    f"({error}); use that version, or another database"
                ) from None
        if newer is None:
            return None
        return (
            f"{self.name}: the tables were created by a newer version of Tastemaker (revision "
            f"{newer}), but this version can use them"
        )

    @property
    def refused_recently(self) -> bool:
        """Whether the database refused a statement in the last DEGRADED_S seconds."""
        return time.monotonic() - self._refused_at < DEGRADED_S

    @contextmanager
    def reading(self) -> Iterator[sql.Connection]:
        """Opens a connection for reading.

        Raises:
            DatabaseUnavailableError: it does not answer.
        """
        with self._translating_errors(), self._reads.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, timeout_s: float | None = None) -> Iterator[sql.Connection]:
        """Opens a transaction, which is on disk as a whole when the block has ended, or not at all.

        Args:
            timeout_s: timeout of one statement in seconds; None for that of the connection.

        Raises:
            DatabaseUnavailableError: it does not answer, is locked for too long, or is full.
        """
        with self._translating_errors(), self._engine.connect() as connection:
            if self.is_sqlite:
                # Otherwise a transaction that reads first cannot wait for a lock and fails at once.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            elif timeout_s is not None:
                connection.execution_options(timeout_s=timeout_s)
                limit = f"SET LOCAL statement_timeout = {timeout_s * 1000:.0f}"
                connection.exec_driver_sql(limit)
            yield connection
            connection.commit()

    def change_token(self) -> ChangeToken:
        """Returns the current state, for comparison with that of a copy in memory.

        On SQLite no table is read if nothing was committed since the last call.

        Raises:
            DatabaseUnavailableError: it does not answer.
        """
        with self._translating_errors():
            version = self._detector.data_version() if self._detector else None
            last = self._change_token
            if version is not None and last is not None and last.data_version == version:
                return last
            with self._reads.connect() as connection:
                values = {row.name: row.value for row in connection.execute(_COUNTERS)}
            self._change_token = ChangeToken.of(values, version)
            return self._change_token

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    def dispose(self) -> None:
        """Closes all connections; the end of a `with` block does so too."""
        self._closed.set()
        if self._detector:
            self._detector.close()
        self._engine.dispose()
        if self._deadlines:
            self._deadlines.end()

    @contextmanager
    def _translating_errors(self) -> Iterator[None]:
        outage = self._outage
        if outage is not None:
            raise DatabaseUnavailableError(str(outage))
        try:
            yield
        except FAILURES as error:
            self._change_token = None
            raise self._record_failure(error) from error

    def _record_failure(self, error: Failure) -> DatabaseUnavailableError:
        failure = database_error(error)
        if isinstance(failure, DatabaseRefusedError):
            if not self.refused_recently:
                log.error("database rejects a statement", why=first_line(error))
            self._refused_at = time.monotonic()
        elif not isinstance(failure, DatabaseBusyError):
            with self._outage_lock:
                if self._outage is None and not self._closed.is_set():
                    log.error("database unavailable", why=first_line(error))
                    self._outage = failure
                    threading.Thread(
                        target=self._wait_until_available, daemon=True, name="wait-for-database"
                    ).start()
        return failure

    def _wait_until_available(self) -> None:
        """Checks until the database answers; first at once, as only one connection may be lost."""
        while True:
            try:
                with self._engine.connect() as connection:
                    connection.execute(sql.select(1))
            except (sql.exc.SQLAlchemyError, OSError):
                if self._closed.wait(RETRY_EVERY_S):
                    return
                continue
            self._outage = None
            log.info("database available again")
            return


class _ChangeDetector:
    """Detects commits to a SQLite file without reading its tables."""

    def __init__(self, engine: sql.Engine) -> None:
        self._engine = engine
        self._connection: sql.PoolProxiedConnection | None = None
        # Threads share the connection, and with it the statement, which another one would reset
        # before its row is read.
        self._lock = threading.Lock()

    def data_version(self) -> int:
        """Returns a number that changes whenever another connection, of any process, commits."""
        with self._lock:
            if self._connection is None:
                self._connection = self._engine.raw_connection()
            driver: Any = self._connection.driver_connection
            row: tuple[int] = driver.execute("PRAGMA data_version").fetchone()
        return row[0]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def bump_counter(connection: sql.Connection, name: str, by: int = 1) -> int:
    """Increments a counter, which tells all workers after the commit that a table has changed.

    A transaction that increments the same counter waits for this one, so that values are committed
    in order.

    Returns:
        The counter's new value.
    """
    return connection.execute(_INCREMENT, {"wanted": name, "by": by}).scalar_one()


_COUNTERS = sql.select(counters.c.name, counters.c.value)
_INCREMENT = (
    sql.update(counters)
    .where(counters.c.name == sql.bindparam("wanted"))
    .values(value=counters.c.value + sql.bindparam("by"))
    .returning(counters.c.value)
)
