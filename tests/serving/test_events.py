"""Events are kept exactly once, all or none, and on disk before the response is sent."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from tastemaker import wire
from tastemaker.errors import ServiceError

from .conftest import Serving, event_counts
from .server import Server, until


def events_of(user: int, n: int, prefix: str) -> list[wire.Event]:
    return [wire.Event(user_id=user, item_id=i % 40, event_id=f"{prefix}-{i}") for i in range(n)]


def items_in_history(service: Server, user: int) -> list[wire.Id]:
    return [item.item_id for item in service.client.history(user).items]


def test_one_event_is_kept_and_gets_an_id(service: Server, unseen_user: int) -> None:
    body = {"user_id": unseen_user, "item_id": 3, "type": "view"}
    answer = service.http.post("/v1/events", json=body)
    assert answer.status_code == 200
    kept = wire.EventsKept.model_validate(answer.json())
    assert (kept.accepted, kept.duplicates, kept.unknown_items) == (1, 0, [])
    assert event_counts(service.database)[kept.event_ids[0]] == 1
    assert items_in_history(service, unseen_user) == [3]


def test_a_batch_is_kept_in_the_order_of_its_times(service: Server, unseen_user: int) -> None:
    now = int(time.time())
    batch = [
        wire.Event(user_id=unseen_user, item_id=item, timestamp=now - age)
        for item, age in [(1, 30), (2, 10), (3, 20)]
    ]
    kept = service.client.record(batch)
    assert kept.accepted == len(set(kept.event_ids)) == 3
    assert items_in_history(service, unseen_user) == [2, 3, 1]


def test_an_event_that_is_sent_twice_counts_once(service: Server, unseen_user: int) -> None:
    batch = events_of(unseen_user, 3, f"twice-{unseen_user}")
    assert service.client.record(batch).accepted == 3
    again = service.client.record([*batch, wire.Event(user_id=unseen_user, item_id=9)])
    assert (again.accepted, again.duplicates) == (1, 3)
    assert again.event_ids[:3] == [event.event_id for event in batch]
    assert all(event_counts(service.database)[event.event_id or ""] == 1 for event in batch)


def test_the_first_of_two_events_with_one_id_counts(service: Server, unseen_user: int) -> None:
    first, second = (
        wire.Event(user_id=unseen_user, item_id=item, event_id=f"one-{unseen_user}")
        for item in (5, 6)
    )
    service.client.record(first)
    assert service.client.record(second).duplicates == 1
    assert items_in_history(service, unseen_user) == [5]


def test_an_id_that_stands_twice_in_a_batch_counts_once(service: Server, unseen_user: int) -> None:
    event = wire.Event(user_id=unseen_user, item_id=5, event_id=f"same-{unseen_user}")
    kept = service.client.record([event, event])
    assert (kept.accepted, kept.duplicates) == (1, 1)


def test_many_senders_of_the_same_ids_have_them_accepted_once_in_all(
    service: Server, unseen_user: int
) -> None:
    batch = events_of(unseen_user, 50, f"race-{unseen_user}")

    def send(seed: int) -> int:
        shuffled = random.Random(seed).sample(batch, len(batch))
        return service.client.record(shuffled).accepted

    with ThreadPoolExecutor(8) as senders:
        assert sum(senders.map(send, range(16))) == 50
    kept = event_counts(service.database)
    assert [kept[event.event_id or ""] for event in batch] == [1] * 50


def test_a_batch_with_one_invalid_event_is_refused_whole(service: Server, unseen_user: int) -> None:
    good = {"user_id": unseen_user, "item_id": 1, "event_id": f"good-{unseen_user}"}
    for bad, words in [
        ({"user_id": unseen_user}, "item_id"),
        ({"user_id": unseen_user, "item_id": "not a number"}, "whole numbers"),
        ({"user_id": unseen_user, "item_id": 1, "timestamp": "yesterday"}, "ISO 8601"),
        ({"user_id": unseen_user, "item_id": 1, "timestamp": -1}, "timestamp"),
        ({"user_id": unseen_user, "item_id": 1, "colour": "red"}, "colour"),
        ({"user_id": True, "item_id": 1}, "user_id"),
    ]:
        answer = service.http.post("/v1/events", json={"events": [good, bad]})
        assert answer.status_code == 422, bad
        assert words in answer.json()["detail"]
    assert event_counts(service.database)[f"good-{unseen_user}"] == 0
    assert items_in_history(service, unseen_user) == []


def test_a_thousand_are_taken_and_one_more_is_refused(service: Server, unseen_user: int) -> None:
    batch = [event.model_dump() for event in events_of(unseen_user, 1001, f"many-{unseen_user}")]
    refused = service.http.post("/v1/events", json={"events": batch})
    assert refused.status_code == 422
    assert "at most 1000" in refused.json()["detail"]
    assert event_counts(service.database)[f"many-{unseen_user}-0"] == 0
    taken = service.http.post("/v1/events", json={"events": batch[:1000]})
    assert taken.json()["accepted"] == 1000


def test_an_empty_batch_is_refused(service: Server) -> None:
    assert service.http.post("/v1/events", json={"events": []}).status_code == 422


def test_times_may_be_iso_8601_with_and_without_a_zone(service: Server, unseen_user: int) -> None:
    times = {1: "2026-01-02T03:04:05Z", 2: "2026-01-02T03:04:05", 3: "2026-01-02T04:04:06+01:00"}
    batch = [{"user_id": unseen_user, "item_id": i, "timestamp": t} for i, t in times.items()]
    assert service.http.post("/v1/events", json={"events": batch}).json()["accepted"] == 3
    history = service.client.history(unseen_user)
    assert {item.item_id: item.timestamp for item in history.items} == {
        1: 1_767_323_045, 2: 1_767_323_045, 3: 1_767_323_046
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("context", '{"speed": NaN}', "finite number"),
        ("context", '{"speed": -Infinity}', "finite number"),
        ("timestamp", '"1700000000"', "is text, but not ISO 8601; send seconds since 1970"),
    ],
)
def test_what_is_no_number_is_refused_with_the_reason(
    service: Server, field: str, value: str, reason: str
) -> None:
    body = f'{{"user_id": 1, "item_id": 3, "{field}": {value}}}'
    json_type = {"Content-Type": "application/json"}
    answer = service.http.post("/v1/events", content=body, headers=json_type)
    assert answer.status_code == 422
    assert reason in answer.json()["detail"]


def test_an_event_without_a_time_gets_the_current_time(service: Server, unseen_user: int) -> None:
    before = int(time.time())
    service.client.record(wire.Event(user_id=unseen_user, item_id=1))
    (item,) = service.client.history(unseen_user).items
    assert before <= (item.timestamp or 0) <= time.time()


def test_events_of_unknown_items_are_kept_and_reported(service: Server, unseen_user: int) -> None:
    batch = [wire.Event(user_id=unseen_user, item_id=item) for item in (4711, 1, 4712)]
    kept = service.client.record(batch)
    assert (kept.accepted, kept.unknown_items) == (3, [4711, 4712])
    assert all(event_counts(service.database)[event_id] == 1 for event_id in kept.event_ids)


# kill -9


class Senders:
    """Threads that send batches as fast as they can, and remember what they were told.

    A batch that got no answer is sent again, with the same ids, once the service is back.
    """

    def __init__(self, threads: int = 3) -> None:
        self.acknowledged: set[str] = set()
        self.sent: list[list[wire.Event]] = []
        self.unanswered: list[list[wire.Event]] = []
        self._threads = threads

    def send_until_it_is_gone(self, service: Server) -> None:
        with ThreadPoolExecutor(self._threads) as pool:
            again, self.unanswered = self.unanswered, []
            fractions = [again[number :: self._threads] for number in range(self._threads)]
            list(pool.map(self._send, [service] * self._threads, fractions))

    def _send(self, service: Server, again: list[list[wire.Event]]) -> None:
        while True:
            batch = again.pop() if again else self._new_batch()
            try:
                kept = service.client.record(batch)
            except ServiceError as error:
                if error.status is not None:
                    raise
                self.unanswered += [batch, *again]
                return
            self.acknowledged.update(kept.event_ids)

    def _new_batch(self) -> list[wire.Event]:
        batch = events_of(20_000, 20, uuid4().hex)
        self.sent.append(batch)
        return batch


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_no_acknowledged_event_and_keeps_none_twice(
    ease_run: Path, database: str, serving: Serving
) -> None:
    rounds = 10 if database.startswith("sqlite") else 5
    senders, chance = Senders(), random.Random(11)
    with serving(ease_run, database) as service, ThreadPoolExecutor(1) as pool:
        for _ in range(rounds):
            n_before = len(senders.acknowledged)
            sending = pool.submit(senders.send_until_it_is_gone, service)
            until(lambda n_before=n_before: len(senders.acknowledged) > n_before, 30)
            time.sleep(chance.uniform(0, 0.4))
            service.kill()
            sending.result()
            kept = event_counts(database)
            assert senders.acknowledged <= kept.keys(), "an acknowledged event is lost"
            assert set(kept.values()) == {1}, "an event was kept twice"
            for batch in senders.sent:
                n_kept = sum(kept[event.event_id or ""] for event in batch)
                assert n_kept in (0, len(batch)), "half a batch was kept"
            service.start()
        known = event_counts(database)
        for batch in senders.unanswered:
            of_before = sum(known[event.event_id or ""] for event in batch)
            assert service.client.record(batch).duplicates == of_before
        assert event_counts(database) == Counter(
            e.event_id for batch in senders.sent for e in batch
        )
