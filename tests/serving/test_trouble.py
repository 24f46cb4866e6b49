"""A database in trouble that still has a connection: it hangs, it is slow, it refuses."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import sqlalchemy as sql

from tastemaker import wire

from .conftest import Databases, Serving, event_counts
from .postgres import Cluster
from .server import Server, kill, tastemaker, until

HEALS_S = 30

AT_ONCE_S = 2.0
"""An answer that waited for nothing, on a machine that has much else to do."""


def write(service: Server, user: wire.Id, item: int = 3) -> httpx2.Response:
    return service.http.post("/v1/events", json={"user_id": user, "item_id": item})


def history(service: Server, user: wire.Id) -> list[wire.Id]:
    return [item.item_id for item in service.client.history(user).items]


def is_ready(service: Server) -> bool:
    return service.client.ready().status == "ready"


def duration_of(ask: Callable[[], Any]) -> float:
    asked_at = time.monotonic()
    ask()
    return time.monotonic() - asked_at


@contextmanager
def as_owner(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def test_with_a_hanging_database_the_service_uses_training_data_and_recovers(
    ease_run: Path, own_cluster: Cluster, serving: Serving
) -> None:
    with serving(ease_run, own_cluster.new_database()) as service:
        assert write(service, "anna").status_code == 200
        own_cluster.freeze()
        # The first request finds out; no request waits for the whole timeout.
        first = service.client.recommend(3)
        assert (first.source, first.degraded, len(first.items)) == ("model", True, 10)

        def ask_all() -> None:
            for user in range(10):
                assert service.client.recommend(user).degraded
            assert service.client.recommend("anna").source == "trending"
            assert service.client.trending().degraded
            assert service.client.ready().status == "degraded"
            assert service.http.get("/healthz").status_code == 200
            assert service.http.get("/metrics").status_code == 200
            refused = write(service, "anna")
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")

        assert min(duration_of(ask_all) for _ in range(3)) < AT_ONCE_S
        own_cluster.thaw()
        until(lambda: is_ready(service), HEALS_S, service.output)
        assert write(service, "anna", 4).status_code == 200
        assert history(service, "anna") == [4, 3]
        assert "Traceback" not in service.output()


def test_the_service_starts_with_a_hanging_database_and_connects_later(
    ease_run: Path, own_cluster: Cluster, serving: Serving
) -> None:
    database = own_cluster.new_database()
    own_cluster.freeze()
    with serving(ease_run, database) as service:
        assert service.client.recommend(3).degraded
        own_cluster.thaw()
        until(lambda: is_ready(service), HEALS_S, service.output)
        assert write(service, 3).status_code == 200


def test_a_slow_query_does_not_affect_other_queries(
    ease_run: Path, own_cluster: Cluster, serving: Serving
) -> None:
    database = own_cluster.new_database()
    with serving(ease_run, database) as service, as_owner(database) as owner:
        with owner.transaction():
            owner.execute("LOCK TABLE deployments IN ACCESS EXCLUSIVE MODE")
            slow = service.http.get("/v1/admin/deployments")
            assert slow.status_code == 503
            assert "busy" in slow.json()["detail"]
            assert write(service, "anna").status_code == 200
            found = service.client.recommend("anna")
            assert (found.source, found.degraded) == ("model", False)
            assert is_ready(service)
        assert service.http.get("/v1/admin/deployments").status_code == 200


def test_an_error_of_the_database_is_degraded_service_that_recovers(
    ease_run: Path, own_cluster: Cluster, serving: Serving
) -> None:
    database = own_cluster.new_database()
    with as_owner(database) as owner:
        owner.execute("CREATE ROLE app LOGIN")
        owner.execute("GRANT ALL ON SCHEMA public TO app")
    with serving(ease_run, database.replace("postgres@", "app@")) as service:
        assert write(service, "anna").status_code == 200
        with as_owner(database) as owner:
            owner.execute("ALTER TABLE events OWNER TO postgres")
        for user in (3, "anna"):
            found = service.client.recommend(user)
            assert (found.degraded, len(found.items)) == (True, 10)
        assert service.client.history("anna").degraded
        assert write(service, "anna").status_code == 503
        assert service.client.ready().status == "degraded"
        service.stop()
        service.start(ready=False)
        assert service.client.recommend(3).degraded
        assert "Traceback" not in service.output()
        with as_owner(database) as owner:
            owner.execute("ALTER TABLE events OWNER TO app")
        until(lambda: is_ready(service), HEALS_S, service.output)
        assert history(service, "anna") == [3]


def test_a_damaged_database_file_is_degraded_service_and_one_line_of_the_log(
    ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    database = new_database("sqlite")
    file = Path(database.removeprefix("sqlite:///"))
    with serving(ease_run, database) as service:
        service.client.record([wire.Event(user_id="anna", item_id=i % 40) for i in range(1000)])
        service.stop()
        whole = file.read_bytes()
        file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
        service.start(ready=False)
        assert service.client.recommend(3).degraded
        assert service.client.ready().status == "degraded"
        assert write(service, "anna").status_code == 503
        assert "Traceback" not in service.output()
        assert "the database rejected a statement" in service.output()


def test_tables_of_a_newer_version_are_refused_in_one_line(ease_run: Path, database: str) -> None:
    key = tastemaker("keys", "add", "--database", database)
    assert key.returncode == 0
    make_newer(database, oldest_program=9999)
    ended = tastemaker("serve", ease_run, "--port", 0, "--database", database)
    assert ended.returncode == 2
    assert "newer version of Tastemaker" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_service_accepts_compatible_newer_tables_and_survives_incompatible_ones(
    ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    database = new_database("sqlite")
    made = tastemaker("keys", "add", "--database", database, "--scope", "read", "--scope", "write")
    make_newer(database, oldest_program=1)
    exposed = ("--host", "0.0.0.0", "--workers", 2)
    with serving(ease_run, database, *exposed, key=made.stdout.split()[0]) as service:
        assert "but this version can use them" in " ".join(service.output().split())
        assert write(service, "anna").status_code == 200
        assert history(service, "anna") == [3]
        make_newer(database, oldest_program=9999)
        replace_workers(service)
        # No key can be checked, so no request is allowed.
        assert write(service, "anna").status_code == 401
        assert "use that version, or another database" in service.output()
        assert "Traceback" not in service.output()


def make_newer(database: str, oldest_program: int) -> None:
    """Makes the tables those of a newer program, which says who may use them."""
    engine = sql.create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(sql.text("UPDATE alembic_version SET version_num = '9999'"))
        changed = sql.text("UPDATE counters SET value = :oldest WHERE name = 'oldest_program'")
        assert connection.execute(changed, {"oldest": oldest_program}).rowcount == 1
    engine.dispose()


def replace_workers(service: Server) -> None:
    """Kills the workers, and waits until others answer in their place."""
    killed = set(service.workers())
    for pid in killed:
        kill(pid)

    def replaced() -> bool:
        assert service.process.poll() is None, service.output()
        if len(set(service.workers()) - killed) < 2:
            return False
        try:
            return all(service.http.get("/healthz").is_success for _ in range(3))
        except httpx2.TransportError:
            return False

    until(replaced, 60, service.output)


def test_writes_that_wait_for_a_lock_do_not_keep_reads_waiting(
    ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    import sqlite3
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import closing

    database = new_database("sqlite")
    with serving(ease_run, database) as service, ThreadPoolExecutor(8) as pool:
        file = database.removeprefix("sqlite:///")
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writes = [pool.submit(write, service, user) for user in range(8)]
            time.sleep(0.5)
            assert not any(each.done() for each in writes)
            assert (
                min(duration_of(lambda: service.client.recommend(7)) for _ in range(3)) < AT_ONCE_S
            )
            assert not any(each.done() for each in writes)
            other.execute("ROLLBACK")
        assert {each.result().status_code for each in writes} <= {200, 503}
        assert sum(event_counts(database).values()) == sum(
            each.result().status_code == 200 for each in writes
        )
