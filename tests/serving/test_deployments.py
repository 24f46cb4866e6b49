"""Deployments: which model every worker serves, whatever happens while one is opened."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sql

import tastemaker as tm
from tastemaker.bundle.bundle import Bundle, open_run
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.deployments import DeploymentLog
from tastemaker.testing.worlds import two_tastes

from .conftest import Databases, Serving
from .server import Server, until

FACTORS = {"embedding_size": 4, "epochs": 2}


def trained(folder: Path, seed: int) -> Bundle:
    """iALS, whose scores are inner products, so that an index can be built."""
    tm.save_run(folder, tm.IALS(seed=seed, **FACTORS).fit(tm.no_holdout(two_tastes())))
    return open_run(folder)


def deploy(database: str, bundle: Bundle) -> None:
    """Deploys a model as another program does, such as `tastemaker learn`."""
    with Database(database) as opened:
        DeploymentLog(opened).record(bundle, "learned")


def test_a_deployment_without_the_index_that_is_needed_is_missing_until_it_has_one(
    new_database: Databases, serving: Serving, tmp_path: Path
) -> None:
    first, second = trained(tmp_path / "first", 1), trained(tmp_path / "second", 2)
    first.make_index()
    with serving(tmp_path / "first", new_database("sqlite"), "--approximate") as service:
        deploy(service.database, second)
        until(lambda: service.client.ready().missing == second.version, 30, service.output)
        answer = service.client.recommend(3)
        assert (answer.version, answer.degraded) == (first.version, False)
        service.stop()
        service.start()
        assert f"tastemaker index {tmp_path / 'second'}" in service.output()
        assert service.client.ready().missing == second.version
        assert service.client.recommend(3).version == first.version

        second.make_index()
        until(lambda: service.client.ready().version == second.version, 30, service.output)
        assert service.client.recommend(3).version == second.version


def test_a_deployment_is_opened_although_it_could_not_be_read_at_first(
    new_database: Databases, serving: Serving, tmp_path: Path
) -> None:
    trained(tmp_path / "first", 1)
    second = trained(tmp_path / "second", 2)
    with serving(tmp_path / "first", new_database("sqlite")) as service:
        deploy(service.database, second)
        with closing(sqlite3.connect(service.database.removeprefix("sqlite:///"))) as connection:
            connection.execute("ALTER TABLE deployments RENAME TO hidden")
            service.client.recommend(3)
            until(lambda: "newly deployed model cannot be loaded" in service.output(), 30)
            connection.execute("ALTER TABLE hidden RENAME TO deployments")
        until(lambda: service.client.ready().version == second.version, 30, service.output)


def test_a_read_that_fails_does_not_undo_a_deployment_that_was_opened_meanwhile(
    new_database: Databases, serving: Serving, tmp_path: Path
) -> None:
    trained(tmp_path / "first", 1)
    second = trained(tmp_path / "second", 2)
    with serving(tmp_path / "first", new_database("postgresql")) as service:
        deploy(service.database, second)
        with locked(service.database, "events"), ThreadPoolExecutor(2) as pool:
            with locked(service.database, "deployments"):
                # The first request begins to open the deployment. The second then waits for the
                # user's events for longer than the opening takes, and finally in vain.
                requests = [pool.submit(service.client.ready)]
                time.sleep(0.5)
                requests.append(pool.submit(service.client.recommend, 3))
                time.sleep(0.5)
            assert requests[1].result().degraded
            assert requests[0].result().status == "degraded"
        until(lambda: service.client.ready().version == second.version, 15, service.output)


@contextmanager
def locked(database: str, table: str) -> Iterator[None]:
    """Another program holds a lock of a table, so that all reads of it wait."""
    engine = sql.create_engine(sql.make_url(database).set(drivername="postgresql+psycopg"))
    with closing(engine.raw_connection()) as connection:
        connection.cursor().execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()
    engine.dispose()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"user_id": "3", "deployment": 2**63 - 1}, 404),
        ({"user_id": "3", "deployment": 2**63}, 422),
        ({"user_id": "3", "deployment": 10**30}, 422),
        ({"user_id": "a\0b"}, 422),
    ],
)
def test_a_comparison_with_an_impossible_deployment_or_user_is_refused(
    service: Server, query: dict[str, object], status: int
) -> None:
    answer = service.http.get("/v1/admin/compare", params=query)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert service.client.ready().status == "ready"
