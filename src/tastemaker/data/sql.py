"""Reads tables from a database, by a query and an SQLAlchemy URL."""

from pathlib import Path
from typing import Any

import polars as pl

from tastemaker.data.dataset import Dataset
from tastemaker.data.sources import read
from tastemaker.errors import DataError
from tastemaker.forking import refuse_forked

try:
    import sqlalchemy
except ImportError:  # the extra `sql` is not installed
    sqlalchemy = None  # type: ignore[assignment]


READING_KEYWORDS = ("select", "with", "values", "table", "(select")
"""First words of queries that only read."""

READ_ONLY = {"sqlite": "PRAGMA query_only = ON", "postgresql": "SET TRANSACTION READ ONLY"}
"""Statements that make a database itself refuse to write, by backend, where there is one."""


def read_sql(query: str, url: str, **how: Any) -> Dataset:
    """Reads the interactions that a database query selects.

    Args:
        query: SQL that selects at least a user and an item.
        url: an SQLAlchemy URL, for example sqlite:///shop.db.
        **how: as for `read`.
    """
    return read(read_query(query, url), **({"name": "query"} | how))


def read_query(query: str, url: str) -> pl.DataFrame:
    """Runs a query and returns its result as a table.

    Args:
        query: SQL that selects at least a user and an item.
        url: an SQLAlchemy URL, for example sqlite:///shop.db or postgresql://host/shop.

    Raises:
        DataError: the query does not begin like one that reads, SQLAlchemy or the driver is not
            installed, the database cannot be reached, or it refuses the query. The message does
            not contain a password in the URL.
    """
    refuse_forked()
    if query.split(maxsplit=1)[:1] == [] or query.split()[0].lower() not in READING_KEYWORDS:
        raise DataError("the query must select rows; start it with SELECT or WITH")
    if sqlalchemy is None:
        raise DataError('reading from a database needs SQLAlchemy: pip install "tastemaker[sql]"')
    try:
        engine = sqlalchemy.create_engine(url)
    except (sqlalchemy.exc.ArgumentError, ModuleNotFoundError) as error:
        raise DataError(f"the database URL cannot be used: {error}") from None
    safe_url = engine.url.render_as_string(hide_password=True)
    if engine.url.get_backend_name() == "sqlite":
        _refuse_missing_file(engine.url.database, safe_url)
    try:
        with engine.connect() as connection:
            if engine.url.get_backend_name() in READ_ONLY:
                connection.execute(sqlalchemy.text(READ_ONLY[engine.url.get_backend_name()]))
            return pl.read_database(sqlalchemy.text(query), connection, infer_schema_length=None)
    except sqlalchemy.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DataError(f"{safe_url}: the query failed: {reason}") from None
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{safe_url}: the result is not a table: {reason}") from None
    finally:
        engine.dispose()


def _refuse_missing_file(database: str | None, safe_url: str) -> None:
    """Raises DataError for a missing file; SQLite would create an empty database at its path."""
    if database and database != ":memory:" and not _exists(database):
        raise DataError(f"{safe_url}: there is no such database file")


def _exists(database: str) -> bool:
    from_uri = database.removeprefix("file:").split("?")[0]
    return Path(from_uri).exists()
