"""Connecting: engines for SQLite and PostgreSQL, on which every wait has an end."""

import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from tastemaker.serving.store.deadlines import Deadlines

LOCKED_S = 5
"""How long a write to SQLite waits for another to end."""

CONNECT_S = 2
"""How long making a connection may take, and checking that one is still good."""

STATEMENT_S = 3
"""How long one statement may take before the server itself gives it up."""

SPARE_S = 1
"""So much later, a server that has not even given up is taken for one that hangs."""

IDLE_S = 1.0
"""A connection that nobody used for so long is tried before it is handed out."""


POOL: dict[str, Any] = {"poolclass": sql.QueuePool, "pool_size": 16, "max_overflow": -1}
"""Connections that stay open; a worker has no more in use than it has threads."""


def engine_of(url: str) -> tuple[sql.Engine, Deadlines | None]:
    """The engine, and what keeps its deadlines where there is a network in between.

    Raises:
        ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError: the URL is none.
    """
    parsed = sql.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed), None
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    arguments = {
        "connect_timeout": CONNECT_S,
        "options": f"-c statement_timeout={STATEMENT_S * 1000}",
    }
    engine = sql.create_engine(parsed, connect_args=arguments, **POOL)
    return engine, _with_deadlines(engine)


def _sqlite(url: sql.URL) -> sql.Engine:
    folder = Path(url.database or ".").parent
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    engine = sql.create_engine(
        url, connect_args={"timeout": LOCKED_S, "check_same_thread": False}, **POOL
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
    try:
        connection.execute("SELECT power(2.0, 1.0)")
    except sqlite3.OperationalError:
        # Some builds of SQLite come without its mathematical functions.
        connection.create_function("power", 2, pow, deterministic=True)


def _with_deadlines(engine: sql.Engine) -> Deadlines:
    """Gives every statement, commit and check of a connection a deadline."""
    deadlines = Deadlines(engine.dialect.loaded_dbapi.Error)

    def begin(connection: sql.Connection, *_: object) -> None:
        if connection.invalidated:
            return
        longest_s = connection.get_execution_options().get("longest_s", STATEMENT_S)
        deadlines.set(connection.connection.dbapi_connection, longest_s + SPARE_S)

    def end(connection: sql.Connection, *_: object) -> None:
        deadlines.clear(connection.connection.dbapi_connection)

    def let_be(connection: Any, record: Any, *_: object) -> None:
        deadlines.clear(connection)
        record.info["used_at"] = time.monotonic()

    def try_it(connection: Any, record: Any, *_: object) -> None:
        if time.monotonic() - record.info["used_at"] < IDLE_S:
            return
        deadlines.set(connection, CONNECT_S)
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise sql.exc.DisconnectionError from error  # the pool makes another
        finally:
            deadlines.clear(connection)

    sql.event.listen(engine, "before_cursor_execute", begin)
    sql.event.listen(engine, "after_cursor_execute", end)
    sql.event.listen(engine, "commit", begin)
    sql.event.listen(engine, "rollback", begin)
    for name in ("connect", "checkin", "close"):
        sql.event.listen(engine, name, let_be)
    sql.event.listen(engine, "checkout", try_it)
    return deadlines
