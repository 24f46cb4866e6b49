"""Trending is kept with the events: it equals a count of the whole log, and never looks at it."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sql
from alembic import command
from alembic.config import Config

from tastemaker.serving.store import database as database_module
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.deployments import DeploymentLog
from tastemaker.serving.store.events import EventStore
from tastemaker.serving.store.tables import NewEvent, deployments, events
from tastemaker.serving.store.trending import TrendingStore, decayed_weight

HALF_LIFE_S = 3600.0


@pytest.fixture
def opened(database: str) -> Iterator[Database]:
    with Database(database) as opened:
        opened.migrate()
        yield opened


def weights_as_of(store: TrendingStore, at: float) -> dict[str, float]:
    found = store.weights()
    assert found is not None
    weights = {
        item: weight * decayed_weight(at - counted_at, found.half_life_s)
        for item, weight, counted_at in found.rows
    }
    return {item: weight for item, weight in weights.items() if weight > 1e-9}


def test_the_stored_weights_equal_a_count_of_all_events(opened: Database) -> None:
    store, trending = EventStore(opened), TrendingStore(opened)
    chance, now = random.Random(7), int(time.time())
    trending.begin(HALF_LIFE_S)
    for number in range(60):
        batch = [
            NewEvent(
                f"{number}-{chance.randrange(40)}",
                f"user{chance.randrange(6)}",
                str(chance.randrange(5)),
                now - chance.randrange(-900, 20_000),
                chance.choice(["view", "view", "retract"]),
            )
            for _ in range(4)
        ]
        store.append(batch)
        if number % 20 == 19:
            store.forget(f"user{chance.randrange(6)}")
    at = time.time()
    kept = weights_as_of(trending, at)
    trending.begin(2 * HALF_LIFE_S)
    trending.begin(HALF_LIFE_S)
    assert kept
    assert kept == pytest.approx(weights_as_of(trending, at), rel=1e-6)


def test_an_event_counts_half_after_a_half_life_and_a_future_one_fully(
    opened: Database,
) -> None:
    store, trending = EventStore(opened), TrendingStore(opened)
    trending.begin(HALF_LIFE_S)
    now = int(time.time())
    store.append([NewEvent("a", "1", "old", now - 3600, "view")])
    store.append([NewEvent("b", "1", "new", now + 80_000, "view")])
    weights = weights_as_of(trending, now)
    assert weights == pytest.approx({"old": 0.5, "new": 1.0}, rel=0.01)


def test_trending_is_computed_without_reading_the_log(opened: Database) -> None:
    store, trending = EventStore(opened), TrendingStore(opened)
    trending.begin(HALF_LIFE_S)
    now = int(time.time())
    store.append([NewEvent(str(n), str(n), "7", now, "view") for n in range(10)])
    with opened.writing() as connection:
        connection.execute(sql.delete(events))
    assert weights_as_of(trending, now) == pytest.approx({"7": 10.0}, rel=0.01)


def test_an_item_that_is_taken_out_again_does_not_trend(opened: Database) -> None:
    store, trending = EventStore(opened), TrendingStore(opened)
    trending.begin(HALF_LIFE_S)
    now = int(time.time())
    for turn in range(5):
        store.append([NewEvent(f"like{turn}", "1", "7", now, "view")])
        store.append([NewEvent(f"unlike{turn}", "1", "7", now - 100, "retract")])
    assert weights_as_of(trending, now) == {}


def test_a_database_of_the_first_version_keeps_its_events_and_is_counted(
    database: str, ease_run: Path
) -> None:
    now = int(time.time())
    with Database(database) as opened:
        config = Config()
        folder = Path(database_module.__file__).with_name("migrations")
        config.set_main_option("script_location", str(folder))
        with opened.writing() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            rows = [(1, "a", "7", 0), (2, "b", "7", 3600), (3, "a", "8", 0)]
            for seq, user, item, age_s in rows:
                row = {"event_id": str(seq), "user_id": user, "item_id": item, "type": "view"}
                times = {"timestamp": now - age_s, "received_at": now}
                connection.execute(sql.insert(events).values(row | times))
            deployed = {
                "version": "v", "run": "/runs/demo", "model": "ease", "trained_at": "then",
                "deployed_at": now, "reason": "start",
            }  # fmt: skip
            columns = [column for column in deployments.c if column.name in deployed]
            old = sql.table("deployments", *(sql.column(column.name) for column in columns))
            connection.execute(sql.insert(old).values(deployed))
        opened.migrate()
        trending = TrendingStore(opened)
        trending.begin(HALF_LIFE_S)
        assert weights_as_of(trending, now) == pytest.approx({"7": 1.5, "8": 1.0}, rel=0.01)
        latest = DeploymentLog(opened).latest()
        assert latest is not None
        assert (latest.version, latest.run) == ("v", "/runs/demo")
        store = EventStore(opened)
        store.append([NewEvent("after", "c", "8", now, "view")])
        assert weights_as_of(trending, now)["8"] == pytest.approx(2.0, rel=0.01)
        assert store.size() == 4
