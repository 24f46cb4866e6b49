"""Opens the storages of searches: a file of one search, a database, or a journal on a shared disk.

A journal is a file to which every change is appended (Optuna's JournalStorage). Its lock is a
second file, which works on network file systems where the locks of SQLite do not.
"""

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sql
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.training.interrupt import deferring_interrupt

STORAGE_ERRORS = (SQLAlchemyError, StorageInternalError)
"""What Optuna raises if a database fails."""

OPTUNA_TABLES = frozenset({"studies", "version_info"})
"""Tables that Optuna creates among the first, and that other databases hardly have."""

ATTEMPTS, RETRY_S = 4, 0.5
"""How often a shared database is opened, and the seconds between: it fails for a worker that
creates its tables at the same moment as another one."""

LOCK_TIMEOUT_S = 60
"""Seconds for which SQLite waits for the transactions of other processes."""

CONNECT_TIMEOUT_S = 10
"""Timeout of a connection to a database on the network, in seconds."""


@dataclass(frozen=True)
class Location:
    """Where the trials of a search are stored."""

    target: sql.URL | Path
    """The URL of a database, or the absolute path of a journal."""
    shared: bool
    """Whether several workers may use it at once."""

    @property
    def name(self) -> str:
        """How messages name it: without the password and the options of a URL."""
        target = self.target
        if isinstance(target, Path):
            return str(target)
        return target.set(query={}).render_as_string() if self.shared else str(target.database)

    @property
    def remedy(self) -> str:
        """What to do if it cannot be used for this search."""
        if self.shared:
            return "choose another storage=…"
        return "choose another path=…, or start again with restart=True"


def study_file(path: Path) -> Location:
    """Returns the location of a search in an SQLite file that no other process uses."""
    return Location(sql.URL.create("sqlite", database=str(path.absolute())), shared=False)


def shared_storage(storage: str | Path) -> Location:
    """Returns the location of a search that several workers share.

    Args:
        storage: the URL of a database, or the path of a journal file.

    Raises:
        ConfigError: the URL is not valid, the folder of the file does not exist, or the file is
            not a journal.
    """
    if "://" not in str(storage):
        path = Path(storage).absolute()
        _refuse_missing_folder(path)
        if path.is_dir():
            raise ConfigError(
                f'storage="{storage}" is a folder; give the path of a file in it, such as '
                f"{path / 'journal.log'}"
            )
        _refuse_other_file(path)
        return Location(path, shared=True)
    try:
        url = sql.make_url(str(storage))
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ConfigError(
            "storage=… is not the URL of a database; a URL looks like "
            "postgresql://user@host/database or sqlite:///trials.db"
        ) from None
    if url.get_backend_name() not in ("postgresql", "sqlite"):
        raise ConfigError(
            f"storage=… cannot be {url.get_backend_name()}; give a database of PostgreSQL or "
            "SQLite, or the path of a journal file"
        )
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database == ":memory:":
            raise ConfigError(
                "storage=… is a database in memory, which no other process can open; name a file, "
                "as in sqlite:///trials.db"
            )
        _refuse_missing_folder(Path(url.database))
    return Location(url, shared=True)


@contextmanager
def opened(location: Location) -> Iterator[BaseStorage]:
    """Opens a storage, or creates it.

    Raises:
        ArtifactError: it cannot be opened, is not a storage of Optuna, or fails later.
        ConfigError: the driver of the database is not installed.
    """
    with _quiet_optuna():
        try:
            with deferring_interrupt():
                storage = _open(location)
        except (*STORAGE_ERRORS, ValueError) as error:
            if not location.shared:
                raise ArtifactError(
                    f"{location.name} is damaged; start again with restart=True"
                ) from None
            raise ArtifactError(
                f"{location.name} cannot be used: {_reason(error)}; {location.remedy}"
            ) from None
        except OSError as error:
            raise ArtifactError(f"{location.name} cannot be used: {error.strerror}") from None
        try:
            yield storage
        except STORAGE_ERRORS as error:
            raise ArtifactError(
                f"{location.name} failed: {_reason(error)}; no finished trial is lost: run the "
                "same search again to continue"
            ) from None
        finally:
            storage.remove_session()
            if isinstance(storage, RDBStorage):
                storage.engine.dispose()


def _open(location: Location) -> BaseStorage:
    if isinstance(location.target, Path):
        return _journal(location.target)
    for _ in range(ATTEMPTS - 1 if location.shared else 0):
        try:
            return _database(location.target)
        except STORAGE_ERRORS:
            time.sleep(RETRY_S)
    return _database(location.target)


def _database(url: sql.URL) -> RDBStorage:
    is_sqlite = url.get_backend_name() == "sqlite"
    timeout = {"timeout": LOCK_TIMEOUT_S} if is_sqlite else {}
    if url.get_backend_name() == "postgresql":
        timeout = {"connect_timeout": CONNECT_TIMEOUT_S}
    try:
        _refuse_other_tables(url, timeout)
        storage = RDBStorage(
            url.render_as_string(hide_password=False),
            # Between two epochs a connection may be idle for so long that a firewall closes it.
            {"connect_args": timeout, "pool_pre_ping": True},
        )
    except ImportError:
        hint = ': pip install "tastemaker[postgres]"' if "postgres" in url.drivername else ""
        raise ConfigError(f"the driver of {url.drivername} is not installed{hint}") from None
    if is_sqlite:
        _lock_before_reading(storage.engine)
    return storage


def _refuse_other_tables(url: sql.URL, timeout: Mapping[str, float]) -> None:
    """Raises ConfigError if the database has tables, but none of Optuna."""
    engine = sql.create_engine(url, connect_args=dict(timeout))
    try:
        tables = sql.inspect(engine).get_table_names()
    finally:
        engine.dispose()
    # While another worker creates the tables of Optuna, only some of them may be there.
    if tables and OPTUNA_TABLES.isdisjoint(tables):
        raise ConfigError(
            f"the database of storage=… has other tables, such as {tables[0]}; name a database "
            "that is empty or has trials"
        )


def _lock_before_reading(engine: sql.Engine) -> None:
    """Makes SQLite lock the database when a transaction begins rather than when it first writes.

    Otherwise two workers that read the state of a trial at the same time could both change it.
    """
    engine.dispose()

    def begin_nothing(connection: Any, _: object) -> None:
        connection.isolation_level = None

    def begin(connection: sql.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    sql.event.listen(engine, "connect", begin_nothing)
    sql.event.listen(engine, "begin", begin)


def _journal(path: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))


def _refuse_other_file(path: Path) -> None:
    if path.exists() and path.stat().st_size:
        with path.open("rb") as file:
            first_line = file.readline()
        if not (first_line.startswith(b'{"op_code":') and first_line.endswith(b"\n")):
            raise ConfigError(f"{path} is not a journal of trials; choose another storage=…")


def _refuse_missing_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise ConfigError(f"storage=…: the folder {path.parent} does not exist; create it first")


def _reason(error: BaseException) -> str:
    """Returns the first line of what the database reported, or the type of an empty report."""
    cause = (error.__cause__ or error) if isinstance(error, StorageInternalError) else error
    cause = getattr(cause, "orig", None) or cause
    return (str(cause).splitlines() or [type(cause).__name__])[0]


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Suppresses Optuna's log of trials and its warnings about experimental features."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="optuna")
            yield
    finally:
        optuna.logging.set_verbosity(level)
