"""A long mixed load with faults: nothing acknowledged is lost, nothing kept twice, no 500.

TASTEMAKER_SOAK_S says how long on all databases together: 10 seconds by default, two minutes in CI.
"""

import os
import random
import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

import tastemaker as tm
from tastemaker import wire
from tastemaker.testing.worlds import two_tastes

from .conftest import DATABASES, Databases, Serving, event_counts
from .postgres import Cluster
from .server import Server, kill, until

SOAK_S = float(os.environ.get("TASTEMAKER_SOAK_S", "10")) / len(DATABASES)

MOST_GROWTH_MIB = 60
"""Largest growth of a worker's memory in the last quarter over the quarter before."""

EXPECTED = {200, 204, 429, 503}


class Visitors:
    """People who read and write, and note what they were answered."""

    def __init__(self, service: Server, until_s: float) -> None:
        self._service, self._until = service, until_s
        self.acknowledged: set[str] = set()
        self.sent: list[list[wire.Event]] = []
        self.unanswered: list[list[wire.Event]] = []
        self.answers: Counter[int | str] = Counter()

    def visit(self, seed: int) -> None:
        chance = random.Random(seed)
        client = httpx2.Client(base_url=self._service.url, timeout=30)
        while time.monotonic() < self._until:
            try:
                self._ask(client, chance)
            except httpx2.TransportError as error:
                # The worker at the other end was killed; the next connection reaches another.
                self.answers[type(error).__name__] += 1
                client.close()
                client = httpx2.Client(base_url=self._service.url, timeout=30)
        client.close()

    def _ask(self, client: httpx2.Client, chance: random.Random) -> None:
        user = chance.randrange(200)
        kind = chance.random()
        if kind < 0.35:
            self._write(client, user, chance)
        elif kind < 0.8:
            self._read(client.get(f"/v1/users/{user}/recommendations", params={"k": 20}))
        elif kind < 0.9:
            self._read(client.get(f"/v1/users/{user}/history"))
        elif kind < 0.95:
            self._read(client.get("/v1/items", params={"q": "item 1"}))
        else:
            body = {"history": [chance.randrange(40) for _ in range(5)], "explain": True}
            self._read(client.post("/v1/recommendations", json=body))

    def _read(self, answer: httpx2.Response) -> None:
        self.answers[answer.status_code] += 1
        assert answer.status_code in EXPECTED, answer.text

    def _write(self, client: httpx2.Client, user: int, chance: random.Random) -> None:
        try:
            batch = self.unanswered.pop()
        except IndexError:
            batch = [
                wire.Event(user_id=user, item_id=chance.randrange(40), event_id=uuid4().hex)
                for _ in range(chance.randrange(1, 20))
            ]
            self.sent.append(batch)
        body = wire.Events(events=batch).model_dump(exclude_unset=True)
        try:
            answer = client.post("/v1/events", json=body)
        except httpx2.TransportError:
            self.unanswered.append(batch)
            raise
        self._read(answer)
        if answer.status_code == 200:
            self.acknowledged.update(answer.json()["event_ids"])
        else:
            self.unanswered.append(batch)


@pytest.mark.slow
@pytest.mark.parametrize("kind", DATABASES)
def test_under_load_with_faults_no_event_is_lost_and_no_resource_grows(
    kind: str,
    ease_run: Path,
    tmp_path: Path,
    new_database: Databases,
    serving: Serving,
    request: pytest.FixtureRequest,
) -> None:
    run = shutil.copytree(ease_run, tmp_path / "run")
    cluster: Cluster | None = None
    if kind == "postgresql":
        cluster = request.getfixturevalue("own_cluster")
    database = cluster.new_database() if cluster else new_database(kind)
    with serving(run, database, "--workers", 2, "--logs", "json") as service:
        until(lambda: len(service.workers()) == 2, 20)
        visitors = Visitors(service, time.monotonic() + SOAK_S)
        with ThreadPoolExecutor(4) as pool:
            visiting = [pool.submit(visitors.visit, seed) for seed in range(4)]
            memory_mib = _faults(service, run, cluster)
            for visit in visiting:
                visit.result()
        until(lambda: service.client.ready().status == "ready", 20)
        kept = event_counts(database)
        assert visitors.acknowledged <= kept.keys(), "an acknowledged event is lost"
        assert set(kept.values()) == {1}, "an event was kept twice"
        for batch in visitors.sent:
            assert sum(kept[e.event_id or ""] for e in batch) in (0, len(batch)), "half a batch"
        for batch in visitors.unanswered:
            service.client.record(batch)
        assert event_counts(database) == Counter(e.event_id for b in visitors.sent for e in b)
        assert visitors.answers[200] > 10 * SOAK_S, visitors.answers
        assert not any("exception" in line for line in service.log())
        half = len(memory_mib) // 2
        if half:
            growth_mib = max(memory_mib[half:]) - max(memory_mib[:half])
            assert growth_mib < MOST_GROWTH_MIB, memory_mib


def _faults(service: Server, run: Path, cluster: Cluster | None) -> list[float]:
    """Does harm about once a second, until the visitors have left.

    Workers are killed in the first half only; of the second half it gives their memory.
    """
    chance, memory_mib = random.Random(5), []
    begun_at = time.monotonic()
    while (elapsed_s := time.monotonic() - begun_at) < SOAK_S:
        time.sleep(chance.uniform(0.5, 1.5))
        until(lambda: len(service.workers()) == 2, 30)
        fault = chance.choice(["kill", "reload", "stop"])
        if fault == "kill" and elapsed_s < SOAK_S / 2:
            kill(chance.choice(service.workers()))
        elif fault == "stop" and cluster:
            cluster.stop()
            time.sleep(chance.uniform(0.2, 1.0))
            cluster.start()
        elif fault == "reload":
            _reload(service, run, chance.uniform(1, 20))
        if elapsed_s > SOAK_S / 2:
            memory_mib.append(service.memory_mib())
    return memory_mib


def _reload(service: Server, run: Path, regularization: float) -> None:
    tm.save_run(run, tm.EASE(regularization=regularization).fit(tm.no_holdout(two_tastes())))
    with httpx2.Client(base_url=service.url, timeout=30) as client:
        try:
            assert client.post("/v1/admin/reload").status_code in EXPECTED
        except httpx2.TransportError:
            return  # the worker that was asked has been killed
