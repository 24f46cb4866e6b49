"""Types and values of events count as the kinds of events in the training data did."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import polars as pl
import pytest
import sqlalchemy as sql

import tastemaker as tm
from tastemaker import wire
from tastemaker.errors import ServiceError
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.event_weights import EventWeights
from tastemaker.serving.store.events import EventStore
from tastemaker.serving.store.tables import NewEvent
from tastemaker.serving.store.trending import TrendingStore

from .conftest import Databases, Serving
from .server import Server, tastemaker

KINDS = {
    "event": "event", "event_weights": {"view": 1, "buy": 10}, "targets": ["buy"],
    "negative": ["return"], "weight": "seconds", "weight_transform": "sqrt",
}  # fmt: skip


def shop_log(n_users: int = 60, n_items: int = 40) -> pl.DataFrame:
    """Users of two tastes who view and buy items of their half of the catalog."""
    random = np.random.default_rng(1)
    rows = []
    for user in range(n_users):
        for turn in range(12):
            item = int(random.integers(n_items // 2)) + user % 2 * (n_items // 2)
            kind = "buy" if random.random() < 0.4 else "view"
            rows.append((user, item, kind, 1_600_000_000 + 100 * turn, None))
    rows.append((0, 0, "view", 1_600_009_000, 25.0))
    schema = ["user", "item", "event", "time", ("seconds", pl.Float64)]
    return pl.DataFrame(rows, schema=schema, orient="row")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "shop"
    model = tm.EASE(regularization=10.0)
    tm.save_run(folder, model.fit(tm.no_holdout(tm.read(shop_log(), **KINDS))))
    return folder


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(
    request: pytest.FixtureRequest, run: Path, new_database: Databases, serving: Serving
) -> Iterator[Server]:
    with serving(run, new_database(request.param)) as server:
        yield server


def record(service: Server, *events: tuple) -> None:
    service.client.record(
        [
            wire.Event(user_id=user, item_id=item, type=kind, value=value[0] if value else None)
            for user, item, kind, *value in events
        ]
    )


def listed(service: Server, user: int, **options: object) -> set[wire.Id]:
    return {item.item_id for item in service.client.recommend(user, k=40, **options).items}


def test_a_viewed_item_stays_in_the_list_and_a_bought_one_leaves_it(
    service: Server, unseen_user: int
) -> None:
    record(service, (unseen_user, 3, "view"))
    assert 3 in listed(service, unseen_user)
    assert service.client.recommend(unseen_user).source == "model"
    record(service, (unseen_user, 3, "buy"))
    assert 3 not in listed(service, unseen_user)
    assert 3 in listed(service, unseen_user, exclude_seen=False)


def test_a_rejected_item_never_comes_back_until_it_is_wanted_again(
    service: Server, unseen_user: int
) -> None:
    record(service, (unseen_user, 3, "view"), (unseen_user, 5, "buy"), (unseen_user, 5, "return"))
    for options in ({}, {"exclude_seen": False}):
        assert 5 not in listed(service, unseen_user, **options)
    assert [item.item_id for item in service.client.history(unseen_user).items] == [3]
    record(service, (unseen_user, 5, "view"))
    assert 5 in listed(service, unseen_user)


def test_drift_asks_for_events_of_target_kinds_alone(
    run: Path, new_database: Databases, serving: Serving
) -> None:
    with serving(run, new_database("sqlite")) as service:
        for user in range(1_000, 1_006):
            record(service, *((user, item, "view") for item in range(4)))
            first, second = (i.item_id for i in service.client.recommend(user, k=2).items)
            record(service, (user, first, "return"), (user, second, "view"))
            assert service.http.get("/v1/admin/drift").json()["n"] == user - 1_000
            # Viewed before, and still in the list just before it is bought.
            record(service, (user, second, "buy"))
        drift = service.http.get("/v1/admin/drift").json()
        assert (drift["n"], drift["overall"]["hit_rate"]) == (6, 1.0)


def test_a_history_that_keeps_repeats_names_each_item_once(
    new_database: Databases, serving: Serving, tmp_path: Path
) -> None:
    rows = [
        (user, item, 100 * turn + item) for user in range(9) for turn in (1, 2) for item in (3, 4)
    ]
    log = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    model = tm.EASE(regularization=1.0).fit(tm.no_holdout(tm.read(log, repeats="keep")))
    tm.save_run(tmp_path / "run", model)
    with serving(tmp_path / "run", new_database("sqlite")) as service:
        service.client.record(
            [wire.Event(user_id=1, item_id=3, timestamp=time) for time in (900, 901)]
        )
        found = [
            (item.item_id, item.timestamp, item.origin) for item in service.client.history(1).items
        ]
        assert found == [(3, 901, "event"), (4, 204, "training")]


def test_a_rejected_item_stays_out_whatever_history_is_given(
    service: Server, unseen_user: int
) -> None:
    record(service, (unseen_user, 5, "return"), (unseen_user, 6, "buy"))
    rejecting = wire.AskedUser(user_id=unseen_user, history=[3, 4])
    stranger = wire.AskedUser(history=[3, 4])
    lists = service.client.recommend_many([rejecting, stranger], k=40)
    own, other = ({item.item_id for item in answer.items} for answer in lists)
    assert other - own == {5}
    assert 6 in own, "the history replaces the purchase"


def test_what_was_bought_and_rejected_in_training_counts_in_the_service(
    service: Server, run: Path
) -> None:
    data = tm.open_run(run).split.train
    user = 7
    bought = set(data.of_targets.history(user).tolist())
    assert bought
    ids = data.item_vocabulary.ids
    assert listed(service, user) == set(ids) - {int(ids[code]) for code in bought}
    item = int(ids[next(iter(bought))])
    record(service, (user, item, "return"))
    assert item not in listed(service, user, exclude_seen=False)


def test_an_item_of_the_training_data_with_a_later_event_comes_from_the_events(
    service: Server, run: Path
) -> None:
    data = tm.open_run(run).split.train
    item = int(data.item_vocabulary.ids[int(data.history(9)[0])])
    record(service, (9, item, "view"))
    history = service.client.history(9).items
    assert (history[0].item_id, history[0].origin) == (item, "event")
    assert {other.origin for other in history[1:]} == {"training"}


def test_heavier_events_move_a_list_further(service: Server, unseen_user: int) -> None:
    light, heavy = unseen_user, unseen_user + 500_000
    record(service, (light, 3, "buy"), (light, 33, "view"))
    record(service, (heavy, 3, "buy"), (heavy, 33, "view", 2_500.0))

    def lead_of_upper_half(user: int) -> float:
        items = service.client.recommend(user, k=40, exclude_seen=False).items
        upper = [item.score for item in items if int(item.item_id) >= 20]
        lower = [item.score for item in items if int(item.item_id) < 20]
        return float(np.mean(upper) - np.mean(lower))

    assert lead_of_upper_half(light) < 0 < lead_of_upper_half(heavy)


def test_an_unknown_type_is_refused_with_the_known_ones(service: Server, unseen_user: int) -> None:
    with pytest.raises(ServiceError, match='"glance"; it knows view, buy, return and retract'):
        record(service, (unseen_user, 3, "glance"))
    with pytest.raises(ValueError, match="value"):
        record(service, (unseen_user, 3, "view", -1.0))


def test_an_event_without_a_type_is_refused_with_the_known_ones(
    service: Server, unseen_user: int
) -> None:
    event = wire.Event(user_id=unseen_user, item_id=3)
    with pytest.raises(ServiceError, match="give the type of the event: .*view.*buy"):
        service.client.record([event])


def test_value_and_context_are_stored_and_exported(
    service: Server, unseen_user: int, run: Path, tmp_path: Path
) -> None:
    context = {"device": "phone", "hour": 7, "signed_in": True}
    event = wire.Event(user_id=unseen_user, item_id=3, type="view", value=9, context=context)
    service.client.record([event])
    done = tastemaker("events", "export", tmp_path / "log.csv", "--database", service.database)
    assert done.returncode == 0, done.stderr
    rows = pl.read_csv(tmp_path / "log.csv").filter(pl.col("user_id") == unseen_user)
    assert rows.select("type", "value", "context").rows() == [
        ("view", 9.0, '{"device": "phone", "hour": 7, "signed_in": true}')
    ]
    url = f"sqlite:///{tmp_path / 'other.db'}"
    done = tastemaker("events", "import", tmp_path / "log.csv", "--database", url, "--run", run)
    assert done.returncode == 0, done.stderr
    with Database(url) as other:
        part = pl.concat(EventStore(other).rows()).filter(pl.col("user_id") == str(unseen_user))
        assert part.select("value", "context").rows() == rows.select("value", "context").rows()


@pytest.mark.parametrize("context", [{"k" * 65: 1}, {"k": "v" * 257}, {"k": [1]},
                                     {str(n): n for n in range(21)}])  # fmt: skip
def test_contexts_are_limited(context: dict) -> None:
    with pytest.raises(ValueError, match="context"):
        wire.Event(user_id=1, item_id=1, context=context)


WEIGHTS = EventWeights({"view": 1.0, "buy": 10.0, "return": 0.0}, others=0.5, transform="log1p")


def test_the_weight_of_an_event_is_that_of_its_type_times_its_transformed_value() -> None:
    types, values = ["view", "buy", "return", "glance", "buy"], [None, 0.5, 3.0, 1.0, None]
    expected = [1.0, 10 * np.log1p(0.5), 0.0, 0.5 * np.log1p(1.0), 10.0]
    for given in (values, pl.Series(values)):
        np.testing.assert_allclose(WEIGHTS.weights_of(pl.Series(types), given), expected, rtol=1e-6)
    assert WEIGHTS.weights_of([], []).shape == (0,)


@pytest.mark.parametrize("transform", [None, "none", "log1p", "sqrt", "threshold:5"])
def test_trending_counts_weights_alike_when_events_arrive_and_when_all_are_counted(
    database: str, transform: str | None
) -> None:
    weights = EventWeights(WEIGHTS.types, WEIGHTS.others, transform)
    now = int(time.time())
    random = np.random.default_rng(4)
    types, often = ["view", "buy", "return", "glance", "retract"], [0.4, 0.2, 0.1, 0.2, 0.1]
    events = [
        NewEvent(
            f"e{n}",
            str(random.integers(5)),
            str(random.integers(6)),
            now - int(random.integers(900)),
            str(random.choice(types, p=often)),
            float(random.integers(20)) if random.random() < 0.5 else None,
        )
        for n in range(200)
    ]
    with Database(database) as opened:
        opened.migrate()
        trending, store = TrendingStore(opened), EventStore(opened)
        trending.begin(600.0, weights)
        for event in events:
            store.append([event])
        store.forget("3")
        as_they_came = decayed(trending)
        trending.begin(900.0, weights)
        trending.begin(600.0, weights)
        counted = decayed(trending)
    assert as_they_came.keys() == counted.keys()
    for item, weight in counted.items():
        assert as_they_came[item] == pytest.approx(weight, rel=0.02, abs=1e-6)


def decayed(trending: TrendingStore) -> dict[str, float]:
    weights = trending.weights()
    assert weights is not None
    at = max(counted_at for _, _, counted_at in weights.rows)
    return {
        item: weight * 2 ** (-(at - counted_at) / weights.half_life_s)
        for item, weight, counted_at in weights.rows
        if weight > 1e-9
    }


def test_other_weights_let_trending_items_be_counted_again(database: str) -> None:
    now = int(time.time())
    with Database(database) as opened:
        opened.migrate()
        trending, store = TrendingStore(opened), EventStore(opened)
        trending.begin(600.0)
        store.append([NewEvent("a", "1", "x", now, "view"), NewEvent("b", "1", "y", now, "buy")])
        assert decayed(trending)["x"] == pytest.approx(decayed(trending)["y"])
        trending.begin(600.0, WEIGHTS)
        assert decayed(trending)["y"] == pytest.approx(10 * decayed(trending)["x"])
        with opened.reading() as connection:
            assert connection.scalar(sql.text("SELECT count(*) FROM trending_decay")) == 1


def liked_on_the_pages(server: Server) -> httpx2.Response:
    """The response to a click on the heart of item 5, without a browser."""
    with httpx2.Client(base_url=server.url, cookies={"visitor": "visitor-1"}) as visitor:
        token = re.search(r'name="token" value="(\w+)"', visitor.get("/welcome").text)[1]
        return visitor.post("/like", data={"item": "5", "token": token})


def test_likes_of_the_pages_have_the_type_that_the_operator_names(
    run: Path, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'events.db'}"
    with Server(run, database, tmp_path, "--like-type", "buy") as server:
        assert "--like-type" not in server.output()
        assert liked_on_the_pages(server).status_code == 303
    exported = tmp_path / "events.parquet"
    tastemaker("events", "export", exported, "--database", database)
    assert pl.read_parquet(exported)["type"].to_list() == ["buy"]


def test_the_start_says_that_the_model_does_not_know_the_type_of_likes(
    run: Path, tmp_path: Path
) -> None:
    with Server(run, f"sqlite:///{tmp_path / 'events.db'}", tmp_path) as server:
        said = " ".join(server.output().split())
        assert 'no kind of event "like"; name one that it knows with --like-type: view, buy' in said
        response = liked_on_the_pages(server)
        assert response.status_code == 422
        assert "it knows view, buy, return and retract" in response.text
