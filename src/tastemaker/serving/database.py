"""The database: SQLite beside the run, or any other by URL; and what it does when it is away."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sql
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tastemaker.errors import ConfigError, TastemakerError
from tastemaker.serving.tables import COUNTED, counters

WAIT_S = 5
"""How long a write waits for another to end, and a connection to be made."""

REST_S = 1.0
"""After a failure a server is left alone so long, so that not every request waits for it."""


class DatabaseAwayError(TastemakerError):
    """The database does not answer, is locked, or has no room left; try again later."""


@dataclass(frozen=True)
class Pulse:
    """What the database was like a moment ago."""

    token: int | None
    """Equal tokens: nobody has written anything in between. None where that cannot be told."""
    counters: tuple[int, ...]
    """Of COUNTED, in its order."""

    def __getitem__(self, name: str) -> int:
        return self.counters[COUNTED.index(name)]


class Database:
    """Connections that fail in one way: DatabaseAwayError."""

    def __init__(self, url: str) -> None:
        """Connects lazily.

        Raises:
            ConfigError: no such kind of database, or its driver is not installed.
        """
        self._resting_until = 0.0
        try:
            self._engine = _engine(url)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
            hint = ' (pip install "tastemaker[postgres]")' if "postgres" in url else ""
            raise ConfigError(
                f"no database is known by this URL: {_short(error)}{hint}; a URL looks like "
                "sqlite:///events.db or postgresql+psycopg://user:password@host/name"
            ) from None
        self._sentry = _Sentry(self._engine) if self.is_sqlite else None
        self._pulse: Pulse | None = None

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of this machine."""
        return self._engine.dialect.name == "sqlite"

    @property
    def name(self) -> str:
        """The URL without its password."""
        return self._engine.url.render_as_string(hide_password=True)

    def migrate(self) -> None:
        """Makes the tables, or brings those of an older version up to this one.

        Raises:
            DatabaseAwayError: it does not answer.
        """
        config = AlembicConfig()
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
        with self.writing() as connection:
            if not self.is_sqlite:
                # Several replicas may start at once.
                connection.execute(sql.text("SELECT pg_advisory_xact_lock(7251)"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def reading(self) -> Iterator[sql.Connection]:
        """A connection for reading.

        Raises:
            DatabaseAwayError: it does not answer.
        """
        with self._failing_alike(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sql.Connection]:
        """A transaction that is on disk when the block has ended, whole or not at all.

        Raises:
            DatabaseAwayError: it does not answer, is locked for too long, or has no room left.
        """
        with self._failing_alike(), self._engine.connect() as connection:
            if self.is_sqlite:
                # Else a transaction that first reads cannot wait for a lock, and fails at once.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def pulse(self) -> Pulse:
        """What the workers' copies in memory are compared with; on SQLite without a query if quiet.

        Raises:
            DatabaseAwayError: it does not answer.
        """
        with self._failing_alike():
            token = self._sentry.token() if self._sentry else None
            if token is not None and self._pulse is not None and self._pulse.token == token:
                return self._pulse
            with self._engine.connect() as connection:
                values = dict(connection.execute(_COUNTERS).tuples().all())
            self._pulse = Pulse(token, tuple(values.get(name, 0) for name in COUNTED))
            return self._pulse

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    def dispose(self) -> None:
        """Closes all connections; the end of a `with` does as well."""
        if self._sentry:
            self._sentry.close()
        self._engine.dispose()

    @contextmanager
    def _failing_alike(self) -> Iterator[None]:
        if time.monotonic() < self._resting_until:
            raise DatabaseAwayError("the database is away; try again in a few seconds")
        try:
            yield
        except (DBAPIError, PoolTimeoutError, sqlite3.Error) as error:
            if isinstance(error, DBAPIError) and not _is_outage(error):
                raise
            self._pulse = None
            if not self.is_sqlite:
                self._resting_until = time.monotonic() + REST_S
            raise DatabaseAwayError(
                f"the database is away ({_short(error)}); try again in a few seconds"
            ) from error


class _Sentry:
    """Tells whether anybody wrote to a SQLite file, without reading it."""

    def __init__(self, engine: sql.Engine) -> None:
        self._engine = engine
        self._connection: sql.PoolProxiedConnection | None = None

    def token(self) -> int:
        """A number that changes whenever another connection, of any process, has committed."""
        if self._connection is None:
            self._connection = self._engine.raw_connection()
        driver: Any = self._connection.driver_connection
        row: tuple[int] = driver.execute("PRAGMA data_version").fetchone()
        return row[0]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def raised(connection: sql.Connection, name: str) -> None:
    """Tells all workers, once the transaction is through, that a table has changed."""
    connection.execute(_RAISE, {"wanted": name})


_COUNTERS = sql.select(counters.c.name, counters.c.value)
_RAISE = (
    sql.update(counters)
    .where(counters.c.name == sql.bindparam("wanted"))
    .values(value=counters.c.value + 1)
)


def _engine(url: str) -> sql.Engine:
    parsed = sql.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        arguments = {"connect_timeout": WAIT_S, "options": f"-c statement_timeout={WAIT_S * 1000}"}
        return sql.create_engine(
            parsed, connect_args=arguments, pool_pre_ping=True, pool_timeout=WAIT_S
        )
    folder = Path(parsed.database or ".").parent
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    engine = sql.create_engine(
        parsed, connect_args={"timeout": WAIT_S, "check_same_thread": False}, pool_size=16
    )
    sql.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    # The driver's own notion of transactions is left aside: `writing` begins them itself.
    connection.isolation_level = None
    # Readers and the writer do not wait for each other.
    connection.execute("PRAGMA journal_mode = WAL")
    # Committed is on disk, even if the machine loses power.
    connection.execute("PRAGMA synchronous = FULL")


def _is_outage(error: DBAPIError) -> bool:
    """Whether the database failed, rather than what was asked of it."""
    return error.connection_invalidated or isinstance(
        error, sql.exc.OperationalError | sql.exc.InterfaceError | sql.exc.InternalError
    )


def _short(error: Exception) -> str:
    """The first line of what the driver says; the rest is SQL."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
