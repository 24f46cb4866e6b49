"""Outages: what a failing database means, told apart by what fails."""

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tastemaker.errors import TastemakerError

Failure = DBAPIError | PoolTimeoutError | sqlite3.Error

FAILURES = (DBAPIError, PoolTimeoutError, sqlite3.Error)


class DatabaseAwayError(TastemakerError):
    """The database does not do what is asked of it; nothing was changed, try again later."""


class DatabaseBusyError(DatabaseAwayError):
    """This one statement took too long or waited too long for another; others may go on."""


class DatabaseRefusedError(DatabaseAwayError):
    """The database answers, but refuses: a missing right, a damaged page, no room left."""


AWAY_CLASSES = ("08", "28", "3D")
"""Classes of SQLSTATE that fail while connecting: connection, authorization, no such database."""

AWAY = ("57P01", "57P02", "57P03", "53300")
"""The server is shut down, crashed, starts, or takes no more connections."""

BUSY = ("57014", "55P03", "40001", "40P01")
"""A statement was cancelled, a lock not given, a transaction to be repeated, a deadlock."""


def meaning_of(error: Failure) -> DatabaseAwayError:
    """The error as the service tells it."""
    kind = _kind_of(error)
    words = {
        DatabaseAwayError: "is away",
        DatabaseBusyError: "is busy",
        DatabaseRefusedError: "refuses",
    }
    return kind(f"the database {words[kind]} ({short(error)}); try again in a few seconds")


def short(error: Exception) -> str:
    """The first line of what the driver says; the rest is SQL."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__


def _kind_of(error: Failure) -> type[DatabaseAwayError]:
    if isinstance(error, PoolTimeoutError):
        return DatabaseBusyError
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        locked = code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        return DatabaseBusyError if locked else DatabaseRefusedError
    state = getattr(cause, "sqlstate", None)
    if state is None:
        # The driver itself speaks: there is no connection, or there was one.
        lost = isinstance(error, OperationalError | InterfaceError) or (
            isinstance(error, DBAPIError) and error.connection_invalidated
        )
        return DatabaseAwayError if lost else DatabaseRefusedError
    if state in BUSY:
        return DatabaseBusyError
    return DatabaseAwayError if state in AWAY or state[:2] in AWAY_CLASSES else DatabaseRefusedError
