"""Runs to serve, databases of both kinds, and services as processes of their own."""

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sql

import tastemaker as tm
from tastemaker.testing.worlds import two_tastes

from .postgres import Cluster, binaries
from .server import Server

DATABASES = ("sqlite", "postgresql")

REQUIRED = "TASTEMAKER_REQUIRE_POSTGRES"
"""Set in CI, where a skipped test would pass for a success."""

Databases = Callable[[str], str]
Serving = Callable[..., Server]


@pytest.fixture(scope="session")
def ease_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EASE on the world of two tastes: 60 users from 0, 40 items from 0, categories low and high.

    Its lists are personal, explained and diverse, and it is trained in no time.
    """
    folder = tmp_path_factory.mktemp("runs") / "ease"
    tm.save_run(folder, tm.EASE(regularization=1.0).fit(tm.no_holdout(two_tastes())))
    return folder


@pytest.fixture(scope="session")
def two_tower_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two towers on the same world: a model that places items by their categories."""
    folder = tmp_path_factory.mktemp("runs") / "two_tower"
    model = tm.TwoTower(
        epochs=12, batch_size=16, embedding_size=16, hidden=16, learning_rate=1e-2, seed=3
    )
    tm.save_run(folder, model.fit(tm.no_holdout(two_tastes())))
    return folder


def cluster_or_skip() -> Iterator[Cluster]:
    if binaries() is None:
        assert REQUIRED not in os.environ, f"{REQUIRED} is set, but there is no PostgreSQL"
        pytest.skip("PostgreSQL is not installed: no initdb in PATH or /usr/lib/postgresql")
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server for all tests."""
    yield from cluster_or_skip()


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A PostgreSQL server to break."""
    yield from cluster_or_skip()


@pytest.fixture(scope="session")
def new_database(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Databases:
    """Makes an empty database of a kind and gives its URL."""

    def make(kind: str) -> str:
        if kind == "postgresql":
            return request.getfixturevalue("cluster").new_database()
        return f"sqlite:///{tmp_path_factory.mktemp('database') / 'events.db'}"

    return make


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, new_database: Databases) -> str:
    """The URL of an empty database, of each kind."""
    return new_database(request.param)


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Serving:
    """A service to be started with `with`: the run, the database's URL and more, as `Server`."""

    def make(run: Path, database: str, *arguments: object, **more: object) -> Server:
        return Server(run, database, tmp_path_factory.mktemp("output"), *arguments, **more)

    return make


@pytest.fixture(scope="module", params=DATABASES)
def service(
    request: pytest.FixtureRequest, ease_run: Path, new_database: Databases, serving: Serving
) -> Iterator[Server]:
    """A service that the tests of a file share, on each kind of database."""
    with serving(ease_run, new_database(request.param)) as server:
        yield server


@pytest.fixture(scope="module")
def on_sqlite(ease_run: Path, new_database: Databases, serving: Serving) -> Iterator[Server]:
    """A service that the tests of a file share, where the kind of database does not matter."""
    with serving(ease_run, new_database("sqlite")) as server:
        yield server


_NEW_IDS = itertools.count(10_000)
_KNOWN_IDS = itertools.cycle(range(60))


@pytest.fixture
def unseen_user() -> int:
    """The id of a user without training interactions, of this test alone."""
    return next(_NEW_IDS)


@pytest.fixture
def known_user() -> int:
    """The id of a user with training interactions, of this test alone."""
    return next(_KNOWN_IDS)


def event_counts(database: str) -> Counter[str]:
    """How often each event id is in a database."""
    url = sql.make_url(database)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = sql.create_engine(url)
    try:
        with engine.connect() as connection:
            return Counter(connection.scalars(sql.text("SELECT event_id FROM events")))
    finally:
        engine.dispose()
