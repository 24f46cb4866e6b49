"""What a worker keeps in memory is bounded in bytes, and goes with the model it was made with."""

import asyncio
import gc
import random
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

import tastemaker as tm
from tastemaker.serving.http.routes.listing import LONGEST_KEPT, listing_in
from tastemaker.serving.live.kept import OVERHEAD_BYTES, Kept
from tastemaker.serving.live.lists import MOST_TOUCHED
from tastemaker.serving.service import Service
from tastemaker.serving.settings import ServiceSettings
from tastemaker.testing.worlds import two_tastes
from tastemaker.wire import AskedUser, Listing


class Model:
    """Something that entries rest on."""


def test_the_entries_used_last_stay_and_no_more_bytes_than_there_may_be() -> None:
    kept: Kept[bytes] = Kept(10 * (100 + OVERHEAD_BYTES))
    model = Model()
    for number in range(30):
        kept.put(number, bytes(100), 100, model)
        assert kept.get(0, model) is not None
        assert kept.n_bytes <= 10 * (100 + OVERHEAD_BYTES)
    assert [n for n in range(30) if kept.get(n, model)] == [0, *range(21, 30)]
    kept.put("large", bytes(9000), 9000, model)
    assert kept.get("large", model) is None
    assert kept.get(29, model) is not None


def test_entries_of_a_model_that_was_replaced_are_gone() -> None:
    kept: Kept[bytes] = Kept(10_000)
    before, after = Model(), Model()
    kept.put(1, b"before", 6, before)
    assert kept.get(1, after) is None
    assert kept.n_bytes == 0
    kept.put(1, b"after", 5, after)
    assert kept.get(1, after) == b"after"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    train(tmp_path / "run", 1.0)
    service = Service(ServiceSettings(run=tmp_path / "run", threads=1))
    service.start()
    yield service
    service.stop()


def recommend(service: Service, user: str, query: str) -> bytes:
    return asyncio.run(service.answers.recommend(user, query, listing_in(query)))


def train(run: Path, regularization: float) -> None:
    tm.save_run(run, tm.EASE(regularization=regularization).fit(tm.no_holdout(two_tastes())))


def test_no_answer_keeps_a_model_that_was_replaced(service: Service) -> None:
    live, replaced = service.live, []
    for regularization in (5.0, 10.0):
        for user in range(20):
            recommend(service, str(user), "k=5")
        recommend(service, "unseen user", "")
        record = live.held.catalog.at(3)
        service.similar.to(record, 5)
        replaced.append(weakref.ref(live.held.deployed.bundle.model))
        train(service.settings.run, regularization)
        live.deploy(service.settings.run, "reload")
    gc.collect()
    assert [model() for model in replaced] == [None, None]
    assert recommend(service, "3", "k=5")


def test_an_answer_is_at_hand_until_somebody_writes(service: Service) -> None:
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
    assert sum(map(len, histories)) > MOST_TOUCHED, "they do not fit at once"
    asked = [AskedUser(history=history) for history in histories]
    asked += [AskedUser(user_id=3)] * 100 + [AskedUser(user_id="unseen user")]
    listing = Listing(k=5, exclude_seen=False)
    at_once = service.live.recommend(asked, listing).lists
    alone = [service.live.recommend([user], listing).lists[0] for user in asked[::50]]
    assert at_once[::50] == alone
    # Lists for the same are made once, however often they are asked for.
    assert len({id(made) for made in at_once}) == 602


def test_a_long_query_is_read_anew() -> None:
    short = "exclude=1&exclude=2"
    long = "&".join(f"exclude={number}" for number in range(LONGEST_KEPT))
    assert listing_in(short) is listing_in(short)
    assert listing_in(long) is not listing_in(long)
    assert listing_in(long) == listing_in(long)
