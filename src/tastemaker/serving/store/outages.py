"""Outages: classifies the failures of a database."""

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tastemaker.errors import TastemakerError

Failure = DBAPIError | PoolTimeoutError | sqlite3.Error

FAILURES = (DBAPIError, PoolTimeoutError, sqlite3.Error)


class DatabaseUnavailableError(TastemakerError):
    """The database cannot execute a statement; nothing was changed, and a later try may succeed."""


class DatabaseBusyError(DatabaseUnavailableError):
    """A single statement took too long or waited too long for another; others may succeed."""


class DatabaseRefusedError(DatabaseUnavailableError):
    """The database refuses a statement: missing permission, damaged page, or no space left."""


UNAVAILABLE_CLASSES = ("08", "28", "3D")
"""Classes of SQLSTATE for failures to connect: connection, authorization, no such database."""

UNAVAILABLE_STATES = ("57P01", "57P02", "57P03", "53300")
"""SQLSTATEs: the server is shut down, has crashed, is starting, or accepts no more connections."""

BUSY_STATES = ("57014", "55P03", "40001", "40P01")
"""SQLSTATEs: statement cancelled, lock not available, serialization failure, deadlock."""


def database_error(error: Failure) -> DatabaseUnavailableError:
    """Returns the error that the service raises for a failure."""
    kind = _kind_of(error)
    descriptions = {
        DatabaseUnavailableError: "is unavailable",
        DatabaseBusyError: "is busy",
        DatabaseRefusedError: "rejected a statement",
    }
    return kind(
        f"the database {descriptions[kind]} ({first_line(error)}); try again in a few seconds"
    )


def first_line(error: Exception) -> str:
    """Returns the first line of the driver's message; the rest is SQL."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__


def _kind_of(error: Failure) -> type[DatabaseUnavailableError]:
    if isinstance(error, PoolTimeoutError):
        return DatabaseBusyError
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        locked = code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        return DatabaseBusyError if locked else DatabaseRefusedError
    state = getattr(cause, "sqlstate", None)
    if state is None:
        # The error comes from the driver itself: usually no connection was made, or it was lost.
        lost = isinstance(error, OperationalError | InterfaceError) or (
            isinstance(error, DBAPIError) and error.connection_invalidated
        )
        return DatabaseUnavailableError if lost else DatabaseRefusedError
    if state in BUSY_STATES:
        return DatabaseBusyError
    return (
        DatabaseUnavailableError
        if state in UNAVAILABLE_STATES or state[:2] in UNAVAILABLE_CLASSES
        else DatabaseRefusedError
    )
