"""Connecting: engines for SQLite and PostgreSQL, with a timeout for every wait."""

import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from tastemaker.serving.store.deadlines import Deadlines

LOCK_TIMEOUT_S = 5
"""Seconds for which a write to SQLite waits for another to end."""

CONNECT_TIMEOUT_S = 2
"""Timeout for opening a connection, and for checking that one still works, in seconds."""

STATEMENT_TIMEOUT_S = 3
"""Timeout of one statement, which the server itself enforces, in seconds."""

CLIENT_MARGIN_S = 1
"""Seconds after the statement timeout at which the client ends the wait, as the server hangs."""

PING_AFTER_IDLE_S = 1.0
"""Seconds of idleness after which a connection is checked before it is used."""


POOL: dict[str, Any] = {"poolclass": sql.QueuePool, "pool_size": 16, "max_overflow": -1}
"""Arguments of the connection pool. A worker uses about one connection per thread."""


def engine_of(url: str) -> tuple[sql.Engine, Deadlines | None]:
    """Returns the engine and, for a database on the network, the object that enforces deadlines.

    Raises:
        ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError: the URL is invalid; the
            message has no part of the password.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed), None
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    arguments = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "options": f"-c statement_timeout={STATEMENT_TIMEOUT_S * 1000}",
    }
    engine = sql.create_engine(parsed, connect_args=arguments, **POOL)
    return engine, _with_deadlines(engine)


def _parsed(url: str) -> sql.URL:
    try:
        parsed = sql.make_url(url)
    except (sql.exc.ArgumentError, ValueError):
        parsed = None
    # A host with @ is the end of a password with an @. The messages of the parser quote such parts.
    if parsed is None or "@" in (parsed.host or ""):
        raise ValueError(
            "it is not a URL; in a name or password, write @ as %40, : as %3A and / as %2F"
        )
    return parsed


def _sqlite(url: sql.URL) -> sql.Engine:
    if url.database in (None, "", ":memory:"):
        raise ValueError("a database in memory is lost with its connection; name a file")
    folder = Path(url.database).parent
    if not folder.is_dir():
        raise ValueError(f"the folder {folder} does not exist")
    engine = sql.create_engine(
        url, connect_args={"timeout": LOCK_TIMEOUT_S, "check_same_thread": False}, **POOL
    )
    sql.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    # The driver begins no transactions itself; `Database.writing` begins them.
    connection.isolation_level = None
    # With a write-ahead log, readers and the writer do not wait for each other.
    connection.execute("PRAGMA journal_mode = WAL")
    # A committed transaction is on disk, even if the machine loses power.
    connection.execute("PRAGMA synchronous = FULL")
    try:
        connection.execute("SELECT power(2.0, 1.0)")
    except sqlite3.OperationalError:
        # Some builds of SQLite come without its mathematical functions.
        connection.create_function("power", 2, pow, deterministic=True)


def _with_deadlines(engine: sql.Engine) -> Deadlines:
    """Gives every statement, commit and check of a connection a deadline."""
    deadlines = Deadlines(engine.dialect.loaded_dbapi.Error)

    def set_deadline(connection: sql.Connection, *_: object) -> None:
        if connection.invalidated:
            return
        timeout_s = connection.get_execution_options().get("timeout_s", STATEMENT_TIMEOUT_S)
        deadlines.set(connection.connection.dbapi_connection, timeout_s + CLIENT_MARGIN_S)

    def clear_deadline(connection: sql.Connection, *_: object) -> None:
        deadlines.clear(connection.connection.dbapi_connection)

    def mark_used(connection: Any, record: Any, *_: object) -> None:
        deadlines.clear(connection)
        record.info["used_at"] = time.monotonic()

    def ping_if_idle(connection: Any, record: Any, *_: object) -> None:
        if time.monotonic() - record.info["used_at"] < PING_AFTER_IDLE_S:
            return
        deadlines.set(connection, CONNECT_TIMEOUT_S)
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise sql.exc.DisconnectionError from error  # the pool opens another
        finally:
            deadlines.clear(connection)

    sql.event.listen(engine, "before_cursor_execute", set_deadline)
    sql.event.listen(engine, "after_cursor_execute", clear_deadline)
    sql.event.listen(engine, "commit", set_deadline)
    sql.event.listen(engine, "rollback", set_deadline)
    for name in ("connect", "checkin", "close"):
        sql.event.listen(engine, name, mark_used)
    sql.event.listen(engine, "checkout", ping_if_idle)
    return deadlines
