"""What the desk asks costs the same however long the logs of events and deployments are."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sql

import tastemaker as tm
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.deployments import DeploymentLog
from tastemaker.serving.store.events import MAX_COUNTED, EventStore
from tastemaker.serving.store.tables import events

from .server import Server


@pytest.fixture
def opened(database: str) -> Iterator[Database]:
    with Database(database) as opened:
        opened.migrate()
        yield opened


def insert_events(database: Database, n: int, *, n_users: int, n_items: int) -> None:
    """Events in one statement, of users and items in turn, a second apart and the last one now."""
    numbers = (
        "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :n)"
    )
    columns = "(event_id, user_id, item_id, timestamp, type, received_at)"
    values = (
        "CAST(i AS TEXT), 'user ' || (i % :n_users), CAST((i * 7919) % :n_items AS TEXT), "
        "1700000000 + i, 'like', 1700000000 + i"
    )
    written = f"{numbers} SELECT {values} FROM numbers"
    if database.is_sqlite:  # where the numbers are part of the query that is inserted
        statement = f"INSERT INTO events {columns} {written}"
    else:
        statement = f"INSERT INTO events {columns} ({written})"
    with database.writing(timeout_s=60) as connection:
        given = {"n": n, "n_users": n_users, "n_items": n_items}
        connection.execute(sql.text(statement), given)


def test_deployments_come_in_pages_and_one_of_them_serves(service: Server, ease_run: Path) -> None:
    bundle = tm.open_run(ease_run)
    with Database(service.database) as opened:
        log = DeploymentLog(opened)
        newest = [log.record(bundle, "reload").seq for _ in range(60)][-1]
    found, cursor = [], None
    for page in range(3):
        response = service.client.deployments(cursor, limit=25)
        assert len(response.deployments) == 25 or page == 2
        found += response.deployments
        cursor = response.next_cursor
    assert cursor is None
    assert [each.deployment for each in found] == sorted(
        (each.deployment for each in found), reverse=True
    )
    assert len(found) == 61
    assert [each.deployment for each in found if each.current] == [newest]
    assert len(service.client.deployments().deployments) == 50
    for wrong in ("limit=0", "limit=201", "cursor=x", f"cursor={'9' * 19}"):
        assert service.http.get(f"/v1/admin/deployments?{wrong}").status_code == 422
    desk = service.http.get("/desk", headers={"Accept": "text/html"}).text
    assert f"/desk?before={newest - 19}#log" in desk
    older = httpx2.get(f"{service.url}/desk?before=3", headers={"Accept": "text/html"}).text
    assert "Older deployments" not in older


def test_drift_is_found_among_many_events_of_few_users(service: Server) -> None:
    with Database(service.database) as opened:
        insert_events(opened, 60_000, n_users=3, n_items=20_011)
    answer = service.http.get("/v1/admin/drift")
    assert answer.status_code == 200, answer.text
    assert answer.json()["n"] == 200


def test_few_events_are_counted_and_many_are_estimated_from_samples(opened: Database) -> None:
    store = EventStore(opened)
    assert store.size() == 0
    insert_events(opened, MAX_COUNTED + 50_000, n_users=50, n_items=1_000)
    assert store.size() == MAX_COUNTED + 50_000
    with opened.writing(timeout_s=60) as connection:
        connection.execute(sql.delete(events).where(events.c.seq.between(1_001, 70_000)))
        connection.execute(sql.delete(events).where(events.c.seq % 5 == 0))
    left = 150_000 - 69_000 - (1_000 + 80_000) // 5
    assert store.size() == pytest.approx(left, rel=0.03)
    with opened.writing() as connection:
        connection.execute(sql.delete(events).where(events.c.seq > 90_000))
    assert store.size() == 1_000 * 4 // 5 + 20_000 * 4 // 5
