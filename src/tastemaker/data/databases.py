"""Reads tables from databases: SQLite and DuckDB files, and others through SQLAlchemy."""

import re
import sqlite3
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import polars as pl

from tastemaker.deferred import DeferredModule
from tastemaker.errors import DataError
from tastemaker.forking import refuse_forked

# Imported when a database is first read, since the imports are slow and most programs read none.
sqlalchemy = DeferredModule("sqlalchemy")
duckdb = DeferredModule("duckdb")

READING_KEYWORDS = ("select", "with", "values", "table", "(select")
"""First words of queries that only read."""

READ_ONLY = {"sqlite": "PRAGMA query_only = ON", "postgresql": "SET TRANSACTION READ ONLY"}
"""Statements that make a database itself refuse to write, by backend, where there is one."""

SQLITE_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
DUCKDB_TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() "
    "AND table_catalog = current_database() AND table_type = 'BASE TABLE'"
)


def without_password(url: str) -> str:
    """Returns a database URL with its password masked."""
    return re.sub(r"//([^:/@]*):[^@]*@", r"//\1:***@", url)


def read_sqlite(path: Path, query: str | None) -> pl.DataFrame:
    """Returns the rows that a query selects from a SQLite file; by default those of its only table.

    Raises:
        DataError: the file is not a SQLite database, the query fails or does not only read, or
            there is no query and the file does not have exactly one table.
    """
    _refuse_writing(query)
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        tables = [name for (name,) in connection.execute(SQLITE_TABLES)]
        chosen = query or f"SELECT * FROM {_quoted(_only(tables, str(path)))}"
        return pl.read_database(chosen, connection, infer_schema_length=None)
    except (sqlite3.Error, pl.exceptions.PolarsError) as error:
        raise _failed(str(path), error) from None
    finally:
        connection.close()


def read_duckdb(path: Path, query: str | None) -> pl.DataFrame:
    """Returns the rows that a query selects from a DuckDB file; by default those of its only table.

    Raises:
        DataError: DuckDB is not installed, the file is not a DuckDB database, the query fails or
            does not only read, or there is no query and the file does not have exactly one table.
    """
    _refuse_writing(query)
    if find_spec("duckdb") is None:
        raise DataError(f'reading {path} needs DuckDB: pip install "tastemaker[duckdb]"')
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = [name for (name,) in connection.sql(DUCKDB_TABLES).fetchall()]
            chosen = query or f"SELECT * FROM {_quoted(_only(tables, str(path)))}"
            return pl.DataFrame(connection.sql(chosen))
    except (duckdb.Error, pl.exceptions.PolarsError) as error:
        raise _failed(str(path), error) from None


def read_url(url: str, query: str | None) -> pl.DataFrame:
    """Returns the rows that a query selects from a database, by default those of its only table.

    Args:
        url: an SQLAlchemy URL such as sqlite:///shop.db or postgresql://host/shop, or duckdb:///
            and the path of a DuckDB file.
        query: SQL that selects rows.

    Raises:
        DataError: the query does not begin like one that reads, SQLAlchemy or the driver is not
            installed, the database cannot be reached, or it refuses the query. The message does
            not contain a password in the URL.
    """
    refuse_forked()
    if url.startswith("duckdb:///"):
        path = url.removeprefix("duckdb:///")
        _refuse_missing_file(path, url)
        return read_duckdb(Path(path), query)
    _refuse_writing(query)
    if find_spec("sqlalchemy") is None:
        raise DataError('reading from a database needs SQLAlchemy: pip install "tastemaker[sql]"')
    try:
        engine = sqlalchemy.create_engine(url)
    except (sqlalchemy.exc.ArgumentError, ModuleNotFoundError) as error:
        raise DataError(f"the database URL cannot be used: {error}") from None
    safe_url = engine.url.render_as_string(hide_password=True)
    backend = engine.url.get_backend_name()
    if backend == "sqlite":
        _refuse_missing_file(engine.url.database, safe_url)
    try:
        with engine.connect() as connection:
            if backend in READ_ONLY:
                connection.execute(sqlalchemy.text(READ_ONLY[backend]))
            if query is None:
                table = _only(sqlalchemy.inspect(connection).get_table_names(), safe_url)
                query = f"SELECT * FROM {engine.dialect.identifier_preparer.quote(table)}"
            chosen = sqlalchemy.text(query)
            return pl.read_database(chosen, connection, infer_schema_length=None)
    except (sqlalchemy.exc.SQLAlchemyError, pl.exceptions.PolarsError) as error:
        raise _failed(safe_url, getattr(error, "orig", None) or error) from None
    finally:
        engine.dispose()


def _refuse_missing_file(database: str | None, safe_url: str) -> None:
    """Raises DataError for a missing file; SQLite would create an empty database at its path."""
    if database and database != ":memory:":
        from_uri = database.removeprefix("file:").split("?")[0]
        if not Path(from_uri).exists():
            raise DataError(f"{safe_url}: there is no such database file")


def _refuse_writing(query: str | None) -> None:
    if query is not None and query.lower().split()[:1] not in [[word] for word in READING_KEYWORDS]:
        raise DataError("the query must select rows; start it with SELECT or WITH")


def _only(tables: Sequence[str], source_name: str) -> str:
    """Returns the only table.

    Raises:
        DataError: there is no table, or there are several.
    """
    if len(tables) != 1:
        listed = f"has {len(tables)} tables ({', '.join(tables)})" if tables else "has no table"
        raise DataError(f'{source_name} {listed}; select the rows with query="SELECT …"')
    return tables[0]


def _quoted(table: str) -> str:
    escaped = table.replace('"', '""')
    return f'"{escaped}"'


def _failed(source_name: str, error: object) -> DataError:
    return DataError(f"{source_name}: the query failed: {str(error).splitlines()[0]}")


READ_FILE: dict[str, Callable[[Path, str | None], pl.DataFrame]] = {
    "sqlite": read_sqlite,
    "duckdb": read_duckdb,
}
"""The function that reads each kind of database file."""
