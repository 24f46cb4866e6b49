"""Caches are bounded in bytes, and do not keep a replaced model in memory."""

import asyncio
import gc
import random
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tastemaker as tm
from tastemaker.serving.http.routes.list_options import LONGEST_CACHED, listing_in
from tastemaker.serving.live.cache import OVERHEAD_BYTES, BoundedCache
from tastemaker.serving.live.lists import MAX_HISTORY_ITEMS
from tastemaker.serving.service import Service
from tastemaker.serving.settings import ServiceSettings
from tastemaker.testing.worlds import two_tastes
from tastemaker.wire import AskedUser, Listing


class Model:
    """An object on which entries depend."""


def test_the_least_recently_used_entries_are_evicted_at_the_limit() -> None:
    cache: BoundedCache[bytes] = BoundedCache(10 * (100 + OVERHEAD_BYTES))
    model = Model()
    for number in range(30):
        cache.put(number, bytes(100), 100, model)
        assert cache.get(0, model) is not None
        assert cache.n_bytes <= 10 * (100 + OVERHEAD_BYTES)
    assert [n for n in range(30) if cache.get(n, model)] == [0, *range(21, 30)]
    cache.put("large", bytes(9000), 9000, model)
    assert cache.get("large", model) is None
    assert cache.get(29, model) is not None


def test_entries_of_a_model_that_was_replaced_are_gone() -> None:
    cache: BoundedCache[bytes] = BoundedCache(10_000)
    before, after = Model(), Model()
    cache.put(1, b"before", 6, before)
    assert cache.get(1, after) is None
    assert cache.n_bytes == 0
    cache.put(1, b"after", 5, after)
    assert cache.get(1, after) == b"after"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    train(tmp_path / "run", 1.0)
    service = Service(ServiceSettings(run=tmp_path / "run", threads=1))
    service.start()
    yield service
    service.stop()


def recommend(service: Service, user: str, query: str) -> bytes:
    response = service.list_responses.recommend(user, query, listing_in(query))
    with ThreadPoolExecutor(1) as pool:  # a browser of other tests may have a loop in this thread
        return pool.submit(lambda: asyncio.run(response)).result()


def train(run: Path, regularization: float) -> None:
    tm.save_run(run, tm.EASE(regularization=regularization).fit(tm.no_holdout(two_tastes())))


def test_no_cached_response_keeps_a_replaced_model(service: Service) -> None:
    live, replaced = service.live, []
    for regularization in (5.0, 10.0):
        for user in range(20):
            recommend(service, str(user), "k=5")
        recommend(service, "unseen user", "")
        record = live.last_snapshot.catalog.at(3)
        service.similar.response(record, 5)
        replaced.append(weakref.ref(live.last_snapshot.deployed.bundle.model))
        train(service.settings.run, regularization)
        live.deploy(service.settings.run, "reload")
    gc.collect()
    assert [model() for model in replaced] == [None, None]
    assert recommend(service, "3", "k=5")


def test_a_response_is_cached_until_the_next_write(service: Service) -> None:
    body = recommend(service, "3", "k=5")
    service.live.snapshot()
    assert recommend(service, "3", "k=5") is body
    service.live.events.forget("7")
    service.live.snapshot()
    again = recommend(service, "3", "k=5")
    assert again == body
    assert again is not body


def test_many_long_histories_at_once_get_the_lists_that_each_gets_alone(service: Service) -> None:
    histories = [random.Random(seed).sample(range(40), 39) for seed in range(600)]
    assert sum(map(len, histories)) > MAX_HISTORY_ITEMS, "the histories fit into one group"
    requested_users = [AskedUser(history=history) for history in histories]
    requested_users += [AskedUser(user_id=3)] * 100 + [AskedUser(user_id="unseen user")]
    listing = Listing(k=5, exclude_seen=False)
    in_batch = service.live.recommend(requested_users, listing).lists
    alone = [service.live.recommend([user], listing).lists[0] for user in requested_users[::50]]
    assert in_batch[::50] == alone
    # The lists of equal requests are computed once.
    assert len({id(made) for made in in_batch}) == 602


def test_a_long_query_is_not_cached() -> None:
    short = "exclude=1&exclude=2"
    long = "&".join(f"exclude={number}" for number in range(LONGEST_CACHED))
    assert listing_in(short) is listing_in(short)
    assert listing_in(long) is not listing_in(long)
    assert listing_in(long) == listing_in(long)
