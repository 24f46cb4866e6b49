"""The next list after an event reflects it: for every user, on every replica, by every model."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tastemaker as tm
from tastemaker import wire
from tastemaker.models.recommender import Recommender
from tastemaker.models.registry import BUILT_IN, model_class
from tastemaker.testing.worlds import two_tastes

from .conftest import DATABASES, Databases, Serving
from .server import Server, until


def items_of(answer: wire.RecommendationList | wire.Trending | wire.UserHistory) -> list[wire.Id]:
    return [item.item_id for item in answer.items]


def scores_of(answer: wire.RecommendationList, without: wire.Id) -> dict[wire.Id, float]:
    return {item.item_id: item.score for item in answer.items if item.item_id != without}


def touch(service: Server, user: wire.Id, *items: int) -> None:
    service.client.record([wire.Event(user_id=user, item_id=item) for item in items])


@pytest.fixture(scope="module")
def replica(service: Server, ease_run: Path, serving: Serving) -> Iterator[Server]:
    """Another process with the same run and the same database."""
    with serving(ease_run, service.database) as other:
        yield other


def test_an_event_changes_a_known_users_list_and_removes_the_item(
    service: Server, known_user: int
) -> None:
    before = service.client.recommend(known_user, k=40)
    item = before.items[0].item_id
    touch(service, known_user, item)
    after = service.client.recommend(known_user, k=40)
    assert item not in items_of(after)
    assert scores_of(after, item) != scores_of(before, item)
    assert items_of(service.client.history(known_user))[0] == item


def test_the_first_event_of_an_unseen_user_makes_the_list_personal(
    service: Server, unseen_user: int
) -> None:
    before = service.client.recommend(unseen_user, k=5)
    assert (before.source, before.user_id) == ("trending", unseen_user)
    touch(service, unseen_user, 3)
    after = service.client.recommend(unseen_user, k=5)
    assert after.source == "model"
    assert 3 not in items_of(after)
    assert all(item < 20 for item in items_of(after)), "the taste is the low one"
    touch(service, unseen_user, 22, 23, 24, 25, 26)
    turned = items_of(service.client.recommend(unseen_user, k=5))
    assert sum(item >= 20 for item in turned) >= 3, "the taste has turned to the high one"


def test_names_serve_as_ids_of_unseen_users_where_ids_are_numbers(service: Server) -> None:
    name = f"visitor@{service.url}"
    assert service.client.history("anna").user_id == "anna"
    touch(service, name.replace("/", "."), 3)
    answer = service.client.recommend(name.replace("/", "."), k=3)
    assert (answer.source, 3 in items_of(answer)) == ("model", False)


def test_each_replica_sees_the_other_s_events_at_its_next_read(
    service: Server, replica: Server, unseen_user: int
) -> None:
    for round_, (writer, reader) in enumerate([(service, replica), (replica, service)] * 5):
        assert round_ not in items_of(writer.client.history(unseen_user))
        touch(writer, unseen_user, round_)
        assert items_of(reader.client.history(unseen_user))[0] == round_
        answer = reader.client.recommend(unseen_user, k=40)
        assert answer.source == "model"
        assert round_ not in items_of(answer)


def test_a_cached_list_is_not_served_after_an_event_on_another_replica(
    service: Server, replica: Server, known_user: int
) -> None:
    for _ in range(5):
        best = replica.client.recommend(known_user, k=10).items[0].item_id
        assert replica.client.recommend(known_user, k=10).items[0].item_id == best
        touch(service, known_user, best)
        assert best not in items_of(replica.client.recommend(known_user, k=10))


def test_items_and_forgetting_reach_the_other_replica_too(
    service: Server, replica: Server, unseen_user: int
) -> None:
    touch(service, unseen_user, 1, 2)
    assert replica.client.forget(unseen_user).events == 2
    assert items_of(service.client.history(unseen_user)) == []
    service.client.put_item(unseen_user, wire.ItemBody(title=f"New {unseen_user}"))
    assert replica.client.item(unseen_user).title == f"New {unseen_user}"
    service.client.delete_item(unseen_user)


def test_a_retracted_event_has_no_effect(service: Server, unseen_user: int) -> None:
    touch(service, unseen_user, 3)
    before = service.client.recommend(unseen_user, k=40)
    touch(service, unseen_user, 25)
    service.client.retract(unseen_user, 25)
    after = service.client.recommend(unseen_user, k=40)
    assert after.items == before.items
    assert items_of(service.client.history(unseen_user)) == [3]


def test_a_training_interaction_can_be_retracted_and_recorded_again(
    service: Server, known_user: int
) -> None:
    old = items_of(service.client.history(known_user))
    service.client.retract(known_user, old[0])
    assert items_of(service.client.history(known_user)) == old[1:]
    assert old[0] in items_of(service.client.recommend(known_user, k=40))
    touch(service, known_user, old[0])
    assert items_of(service.client.history(known_user)) == old
    assert old[0] not in items_of(service.client.recommend(known_user, k=40))


def test_an_event_of_the_type_retract_retracts(service: Server, unseen_user: int) -> None:
    touch(service, unseen_user, 3, 4)
    service.client.record(wire.Event(user_id=unseen_user, item_id=4, type="retract"))
    assert items_of(service.client.history(unseen_user)) == [3]


def test_an_event_dated_in_the_future_can_be_retracted_and_recorded_again(
    service: Server, unseen_user: int
) -> None:
    ahead = int(time.time()) + 600
    service.client.record([wire.Event(user_id=unseen_user, item_id=4, timestamp=ahead - 9)])
    service.client.record([wire.Event(user_id=unseen_user, item_id=5, timestamp=ahead)])
    service.client.retract(unseen_user, 5)
    assert items_of(service.client.history(unseen_user)) == [4]
    assert 5 in items_of(service.client.recommend(unseen_user, k=40))
    # As after a clock that was ahead was set back.
    service.client.record(
        wire.Event(user_id=unseen_user, item_id=4, type="retract", timestamp=1000)
    )
    assert items_of(service.client.history(unseen_user)) == []
    touch(service, unseen_user, 5)
    (again,) = service.client.history(unseen_user).items
    assert (again.item_id, (again.timestamp or 0) < ahead - 300) == (5, True)


def test_a_later_retraction_in_a_batch_applies_to_an_earlier_event(
    service: Server, unseen_user: int
) -> None:
    service.client.record(
        [
            wire.Event(user_id=unseen_user, item_id=3, event_id=f"z{unseen_user}"),
            wire.Event(user_id=unseen_user, item_id=3, event_id=f"y{unseen_user}", type="retract"),
            wire.Event(user_id=unseen_user, item_id=4, event_id=f"x{unseen_user}", type="retract"),
            wire.Event(user_id=unseen_user, item_id=4, event_id=f"w{unseen_user}"),
        ]
    )
    assert items_of(service.client.history(unseen_user)) == [4]


def test_seen_items_are_recommended_only_on_request(service: Server, unseen_user: int) -> None:
    touch(service, unseen_user, 3)
    everything = service.client.recommend(unseen_user, k=40, exclude_seen=False)
    assert sorted(items_of(everything)) == list(range(40))
    assert sorted(items_of(service.client.recommend(unseen_user, k=40))) == [
        item for item in range(40) if item != 3
    ]


def test_reasons_include_the_latest_event(service: Server, unseen_user: int) -> None:
    touch(service, unseen_user, 3)
    first = service.client.recommend(unseen_user, k=1, explain=True).items[0]
    assert [(reason.item_id, reason.title) for reason in first.because or []] == [(3, "Item 3")]


@pytest.mark.parametrize("kind", DATABASES)
def test_trending_decays_while_nothing_happens(
    kind: str, ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    with serving(ease_run, new_database(kind), trending_half_life_h=1 / 3600) as service:
        service.client.record([wire.Event(user_id=user, item_id=7) for user in range(500)])

        def score() -> float:
            (first,) = service.client.trending(k=1).items
            return first.score

        until(lambda: score() > 100, 5, "the events do not count")
        until(lambda: score() < 80, 15, "they count for ever")


def test_trending_changes_with_events(service: Server, unseen_user: int) -> None:
    last = items_of(service.client.trending(k=40))[-1]
    assert isinstance(last, int)
    for batch in range(2):
        touch_many = [
            wire.Event(user_id=1_000_000 + unseen_user * 10_000 + batch * 1000 + i, item_id=last)
            for i in range(1000)
        ]
        service.client.record(touch_many)
    until(lambda: items_of(service.client.trending(k=1)) == [last], 5, "it does not trend")


# Forgetting a user


def test_a_forgotten_user_is_an_unseen_user_also_after_a_restart(
    ease_run: Path, database: str, serving: Serving
) -> None:
    with serving(ease_run, database) as service:
        touch(service, 7, 5)
        touch(service, "anna", 5)
        assert service.client.recommend(7).source == "model"
        forgotten = service.client.forget(7)
        assert (forgotten.user_id, forgotten.events) == (7, 1)
        assert "train again" in (forgotten.until_next_training or "")
        assert service.client.forget("anna") == wire.Forgotten(user_id="anna", events=1)
        assert_unseen_users(service, 7, "anna")
        service.stop()
        service.start()
        assert_unseen_users(service, 7, "anna")
        touch(service, 7, 30)
        assert items_of(service.client.history(7)) == [30], "what comes after is kept"
        assert service.client.recommend(7).source == "model"


def assert_unseen_users(service: Server, *users: wire.Id) -> None:
    for user in users:
        assert service.client.recommend(user).source == "trending"
        assert service.client.history(user).items == []


# Every model


QUICK = {"epochs": 3, "batch_size": 32, "embedding_size": 8, "seed": 3}


def quickly_trained(name: str) -> Recommender:
    kind = model_class(name)
    settings: dict[str, Any] = {
        setting: value
        for setting, value in QUICK.items()
        if setting in kind.config_class.model_fields
    }
    if name == "neumf":
        settings["pretraining"] = False
    return kind(**settings).fit(tm.no_holdout(two_tastes()))


@pytest.fixture(scope="module")
def any_model(
    tmp_path_factory: pytest.TempPathFactory, new_database: Databases, serving: Serving
) -> Iterator[Server]:
    """A service whose run each test replaces."""
    run = tmp_path_factory.mktemp("any") / "run"
    tm.save_run(run, quickly_trained("popularity"))
    with serving(run, new_database("sqlite")) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT_IN)
def test_with_every_model_an_event_changes_the_list_and_removes_the_item(
    name: str, any_model: Server, known_user: int, unseen_user: int
) -> None:
    tm.save_run(any_model.run, quickly_trained(name))
    assert any_model.client.reload().model == name
    personal = name not in ("popularity", "random")
    touch(any_model, unseen_user, 30, 31)
    for user in (known_user, unseen_user):
        before = any_model.client.recommend(user, k=40)
        assert (before.model, before.source) == (name, "model")
        for item in items_of(before)[:3]:
            touch(any_model, user, item)
            after = any_model.client.recommend(user, k=40)
            assert item not in items_of(after)
            assert len(after.items) == len(before.items) - 1
            moved = scores_of(after, item) != scores_of(before, item)
            # For a user known by a history alone, the random model draws again for each history;
            # `repeat` scores an item by its own events, but by their age beside the latest event.
            assert moved == personal or (name, user) == ("random", unseen_user) or name == "repeat"
            before = after
