"""A live catalog that follows change by change equals one that is made of all changes at once."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import numpy as np
import pytest
import sqlalchemy as sql
import torch
from alembic import command
from alembic.config import Config
from pydantic import SecretStr

import tastemaker as tm
from tastemaker import wire
from tastemaker.models.recommender import Recommender
from tastemaker.serving.live.catalog import LiveCatalog
from tastemaker.serving.live.lists import ListRequest, make_lists
from tastemaker.serving.live.live import Live
from tastemaker.serving.live.run_items import RunItems
from tastemaker.serving.live.trending import TrendingScores
from tastemaker.serving.live.user_histories import unseen_user
from tastemaker.serving.settings import ServiceSettings
from tastemaker.serving.store import database as database_module
from tastemaker.serving.store.database import Database, bump_counter
from tastemaker.serving.store.items import ItemChanges, ItemRecord, ItemStore
from tastemaker.wire import Listing

from .conftest import Databases, Serving
from .server import Server, until

CATEGORIES = ("low", "high", "new", "rare")


@pytest.fixture
def opened(database: str) -> Iterator[Database]:
    with Database(database) as opened:
        opened.migrate()
        yield opened


@pytest.fixture(scope="module", params=["ease", "two_tower"])
def model(request: pytest.FixtureRequest) -> Recommender:
    return tm.open_run(request.getfixturevalue(f"{request.param}_run")).model


def random_change(chance: random.Random, number: int) -> ItemRecord:
    """Categories of an item of the run (0 to 39) or of a new one."""
    return ItemRecord(
        str(chance.randrange(60)),
        f"Title {chance.randrange(9)}",
        chance.choice([None, (), tuple(chance.sample(CATEGORIES, chance.randrange(1, 4)))]),
        None,
        hidden=chance.random() < 0.2,
        available=chance.random() < 0.8,
        deleted=chance.random() < 0.2,
        changed=number,
    )


def random_changes(chance: random.Random, n: int, first: int) -> list[ItemRecord]:
    """n of them, of one item the last."""
    changes = [random_change(chance, first + number) for number in range(n)]
    return sorted({change.item_id: change for change in changes}.values(), key=lambda c: c.changed)


def contents_of(catalog: LiveCatalog) -> dict[str, object]:
    keys = [str(number) for number in range(61)]
    records = {key: catalog.record(key) for key in keys}
    there = [record for record in records.values() if record is not None]
    listings = [
        Listing(k=k, categories=names, exclude=exclude)
        for k in (3, 60)
        for names in ([], *([name] for name in catalog.n_in_category))
        for exclude in ([], [3, 50])
    ]
    return {
        "records": records,
        "categories": dict(sorted(catalog.n_in_category.items())),
        "found": [catalog.search(text, []) for text in ("", "title", "title 3", "item")],
        "in category": [catalog.search("", [name]) for name in catalog.n_in_category],
        "alike": [catalog.similar_by_categories(record, 4) for record in there],
        "recommendable": [catalog.recommendable(record) for record in there],
        "lists": [lists_of(catalog, listing) for listing in listings],
    }


def lists_of(catalog: LiveCatalog, listing: Listing) -> list[tuple[str, float]]:
    model, n_items = catalog.run_items.model, catalog.dataset.n_items
    histories = (["1", "2", "3"], ["25", "30", "45"], [], ["50", "51"])
    people = [unseen_user(catalog.dataset, history) for history in histories]
    trending = TrendingScores(
        torch.arange(n_items, dtype=torch.float32) % 7,
        np.array([int(record.item_id) % 3 for record in catalog.new.records], dtype=np.float64),
    )
    made = make_lists(model, catalog, people, ListRequest.of(listing, catalog), lambda: trending)
    return [(place.item.item_id, round(place.score, 4)) for one in made for place in one.entries]


@pytest.mark.parametrize("searched", [False, True])
def test_an_updated_catalog_equals_a_newly_built_one(model: Recommender, searched: bool) -> None:
    chance = random.Random(3)
    following, changes = LiveCatalog.of(RunItems(model)), {}
    for turn in range(1, 86):
        n = 10 if chance.random() < 0.2 else 1  # several at once, as after a bulk
        latest = random_changes(chance, n, first=turn * 100)
        following = following.with_changes(latest, None)
        changes |= {record.item_id: record for record in latest}
        if searched:
            following.search("title", [])
        if turn % 17 == 0:
            in_order = sorted(changes.values(), key=lambda record: record.changed)
            rebuilt = LiveCatalog.of(RunItems(model), in_order)
            assert contents_of(following) == contents_of(rebuilt)


def test_a_snapshot_is_not_changed_by_a_later_one(model: Recommender) -> None:
    chance = random.Random(5)
    before = LiveCatalog.of(RunItems(model), random_changes(chance, 40, first=1))
    contents = contents_of(before)
    after = before
    for number in range(40, 90):
        after = after.with_changes([random_change(chance, number)], None)
    assert contents_of(after) != contents
    assert contents_of(before) == contents


def test_unused_sets_of_categories_are_removed(model: Recommender) -> None:
    catalog = LiveCatalog.of(RunItems(model))
    for number in range(5_000):
        record = ItemRecord(str(number % 2 * 1_000), "Often", (f"c{number}", "low"))
        catalog = catalog.with_changes([record], None)
    assert len(catalog.new.sets) + len(catalog.run_items.sets) < 2_500
    assert catalog.n_in_category == {"low": 21, "high": 20, "c4998": 1, "c4999": 1}


def test_of_new_items_of_one_score_all_workers_list_the_same(model: Recommender) -> None:
    first = [ItemRecord(str(number), None, ("low",), changed=number) for number in range(100, 400)]
    following = LiveCatalog.of(RunItems(model), first)
    patched = [ItemRecord("100", None, ("low",), changed=500)]
    following = following.with_changes(patched, None)
    rebuilt = LiveCatalog.of(RunItems(model), [*first[1:], *patched])
    scores = np.zeros(300)
    contents = [
        [c.new.records[i].item_id for i in c.new.best(scores, 10)] for c in (following, rebuilt)
    ]
    assert contents[0] == contents[1] == [str(number) for number in range(101, 111)]


def test_only_what_has_changed_is_read(opened: Database) -> None:
    store = ItemStore(opened)
    store.put([ItemRecord(str(number), f"Item {number}") for number in range(50)])
    since = opened.change_token()["items"]
    assert store.changed(since) == []
    store.patch(ItemRecord("7"), {"title": "Seven"})
    store.delete("8")
    store.put([ItemRecord("new", None, ("low",))])
    read = {record.item_id: record for record in store.changed(since)}
    assert [*read] == ["7", "8", "new"]
    assert (read["7"].title, read["8"].deleted, read["new"].categories) == ("Seven", True, ("low",))
    assert len(store.changed()) == 51
    numbers = [record.changed for record in store.changed()]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == opened.change_token()["items"]


def test_threads_ask_for_changes_at_once(opened: Database) -> None:
    ItemStore(opened).put([ItemRecord("7")])
    expected = opened.change_token()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: opened.change_token(), range(4000))) == [expected] * 4000


def test_of_an_item_that_is_put_twice_at_once_the_last_counts(opened: Database) -> None:
    store = ItemStore(opened)
    store.put([ItemRecord("7", "First"), ItemRecord("8"), ItemRecord("7", "Last")])
    assert {record.item_id: record.title for record in store.changed()} == {"7": "Last", "8": None}


def test_a_refused_write_changes_no_item_and_notifies_no_worker(opened: Database) -> None:
    store = ItemStore(opened)
    store.put([ItemRecord("7", "Seven")])
    assert store.delete("7")
    before = opened.change_token()["items"]
    assert store.patch(ItemRecord("7"), {"title": "Again"}) is None
    assert not store.delete("7")
    assert opened.change_token()["items"] == before
    assert [record.deleted for record in store.changed()] == [True]


def test_items_of_a_database_of_the_previous_version_can_be_changed(database: str) -> None:
    with Database(database) as opened:
        config = Config()
        folder = Path(database_module.__file__).with_name("migrations")
        config.set_main_option("script_location", str(folder))
        with opened.writing() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0003")
            for item in ("7", "new"):
                connection.execute(
                    sql.text(
                        "INSERT INTO items (item_id, title, hidden, available, deleted) "
                        "VALUES (:item, 'Before', false, true, false)"
                    ),
                    {"item": item},
                )
            connection.execute(sql.text("UPDATE counters SET value = 2 WHERE name = 'items'"))
        opened.migrate()
        store = ItemStore(opened)
        assert [record.item_id for record in store.changed()] == ["7", "new"]
        since = opened.change_token()["items"]
        patched = store.patch(ItemRecord("new"), {"title": "After"})
        assert patched is not None
        assert store.changed(since) == [patched]
        assert [record.title for record in store.changed()] == ["Before", "After"]


def test_every_worker_has_the_items_written_to_another(
    ease_run: Path, database: str, serving: Serving
) -> None:
    with serving(ease_run, database, "--workers", 2) as service:
        until(lambda: len(service.workers()) == 2, 20)
        for number in range(20):
            with httpx2.Client(base_url=service.url) as fresh:
                body = {"title": f"Title {number}", "categories": [f"c{number}"]}
                assert fresh.put("/v1/items/7000", json=body).status_code == 200
            for _ in range(3):
                with httpx2.Client(base_url=service.url) as fresh:
                    assert fresh.get("/v1/items/7000").json()["title"] == f"Title {number}"
                    found = fresh.get("/v1/items", params={"q": f"title {number}"}).json()
                    assert [item["item_id"] for item in found["items"]] == [7000]
                    names = fresh.get("/v1/categories").json()["categories"]
                    assert {"name": f"c{number}", "n_items": 1} in names
                    assert len(names) == 3


def test_a_worker_never_returns_to_an_older_state(ease_run: Path, database: str) -> None:
    settings = ServiceSettings(run=ease_run, database=SecretStr(database))
    live = Live(settings)
    live.start()

    def change_and_look(item: int) -> None:
        for number in range(60):
            live.items.put([ItemRecord(str(item), f"Title {number}")])
            live.snapshot()

    seen = []
    try:
        with ThreadPoolExecutor(4) as pool:
            changing = [pool.submit(change_and_look, item) for item in range(4)]
            while not all(each.done() for each in changing):
                seen.append(live.last_snapshot.catalog.as_of or ItemChanges(0, 0))
                time.sleep(0.0001)
        assert [each.result() for each in changing] == [None] * 4
        assert live.snapshot().catalog.as_of == (240, 240)
    finally:
        live.stop()
    assert seen == sorted(seen)


def test_changes_by_the_previous_version_are_seen_too(
    service: Server,
) -> None:
    with Database(service.database) as opened:
        for number in range(3):
            service.client.put_item(6_999, wire.ItemBody(title=f"Put {number}"))
            with opened.writing() as connection:
                connection.execute(
                    sql.text(
                        "INSERT INTO items (item_id, title, hidden, available, deleted) "
                        "VALUES ('6998', :title, false, true, false) "
                        "ON CONFLICT (item_id) DO UPDATE SET title = excluded.title"
                    ),
                    {"title": f"Older {number}"},
                )
                bump_counter(connection, "items")
            service.client.put_item(6_999, wire.ItemBody(title=f"Put again {number}"))
            assert service.client.item(6_998).title == f"Older {number}"
            assert service.client.item(6_999).title == f"Put again {number}"


def test_the_process_responds_while_many_items_of_another_one_are_read(
    ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    def seconds_of(path: str) -> float:
        asked_at = time.monotonic()
        assert httpx2.get(f"{service.url}{path}", timeout=60).status_code == 200
        return time.monotonic() - asked_at

    with (
        serving(ease_run, new_database("sqlite"), request_timeout_s=60) as service,
        Database(service.database) as opened,
        ThreadPoolExecutor(1) as pool,
    ):
        for start in range(1_000, 51_000, 5_000):
            ItemStore(opened).put(
                [
                    ItemRecord(str(item), f"Title {item}", ("low", f"kind {item % 500}"))
                    for item in range(start, start + 5_000)
                ]
            )
        listing = pool.submit(seconds_of, "/v1/users/3/recommendations")
        time.sleep(0.05)
        healthy = [seconds_of("/healthz")]
        while not listing.done():
            healthy.append(seconds_of("/healthz"))
        assert max(healthy) < listing.result() / 3, listing.result()
        assert service.client.item(50_999).title == "Title 50999"
