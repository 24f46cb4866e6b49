"""What goes wrong around it: signals, crowds, databases, disks, broken runs, dead workers."""

import contextlib
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

import httpx2
import pytest

import tastemaker as tm
from tastemaker import wire
from tastemaker.errors import ServiceError
from tastemaker.testing.worlds import two_tastes

from .conftest import Databases, Serving, event_counts
from .postgres import Cluster
from .server import Server, environment_with, kill, tastemaker, until

HEALS_S = 15


def file_of(database: str) -> Path:
    return Path(database.removeprefix("sqlite:///"))


@contextmanager
def writing_to(database: str) -> Iterator[None]:
    """Another process is in the middle of a write."""
    with closing(sqlite3.connect(file_of(database), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def write(service: Server, user: wire.Id, item: int = 3) -> httpx2.Response:
    return service.http.post("/v1/events", json={"user_id": user, "item_id": item})


def read(service: Server, user: wire.Id) -> httpx2.Response:
    return service.http.get(f"/v1/users/{user}/recommendations")


def history(service: Server, user: wire.Id) -> list[wire.Id]:
    return [item.item_id for item in service.client.history(user).items]


def refused_for_now(answer: httpx2.Response, status: int = 503) -> None:
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    assert "Traceback" not in answer.text
    assert "INSERT" not in answer.text


# Signals


def test_the_serve_command_runs_until_sigterm(ease_run: Path, new_database: Databases) -> None:
    typed = ("serve", str(ease_run), "--port", "0", "--database", new_database("sqlite"))
    with subprocess.Popen(
        [sys.executable, "-m", "tastemaker.cli.main", *typed],
        stdout=subprocess.PIPE, text=True, env=environment_with({}),
    ) as process:  # fmt: skip
        url = process.stdout.readline().split()[-1]
        with httpx2.Client(base_url=url, timeout=30) as client:
            assert len(client.get("/v1/users/3/recommendations").json()["items"]) == 10
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, -signal.SIGTERM)


def test_sigterm_lets_a_request_in_progress_finish(
    ease_run: Path, new_database: Databases, serving: Serving, unseen_user: int
) -> None:
    with serving(ease_run, new_database("sqlite")) as service, ThreadPoolExecutor(1) as pool:
        with writing_to(service.database):
            slow = pool.submit(write, service, unseen_user)
            time.sleep(0.3)
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert service.process.poll() is None, "it did not wait for the request"
            assert not slow.done()
            with pytest.raises(httpx2.TransportError):
                httpx2.get(f"{service.url}/healthz")
        answer = slow.result()
        assert answer.status_code == 200
        assert service.process.wait(10) in (0, -signal.SIGTERM)
        assert event_counts(service.database)[answer.json()["event_ids"][0]] == 1


def test_an_endless_request_does_not_prevent_the_shutdown(
    ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    with serving(ease_run, new_database("sqlite"), shutdown_grace_s=1) as service:
        with httpx2.Client(base_url=service.url) as client, ThreadPoolExecutor(1) as pool:
            enough = Event()

            def slow_body() -> Iterator[bytes]:
                yield b'{"user_id": 1,'
                enough.wait(20)

            stuck = pool.submit(client.post, "/v1/events", content=slow_body())
            time.sleep(0.3)
            asked_at = time.monotonic()
            service.stop()
            assert time.monotonic() - asked_at < 6
            enough.set()
            assert not isinstance(stuck.exception(), AssertionError)


# Crowds


def test_too_many_concurrent_requests_are_refused_rather_than_queued(
    ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    with serving(ease_run, new_database("sqlite"), "--threads", 1, max_queued=2) as service:
        with ThreadPoolExecutor(12) as pool:
            with writing_to(service.database):
                asked_at = time.monotonic()
                burst = [pool.submit(write, service, user) for user in range(12)]
                until(lambda: sum(each.done() for each in burst) >= 9, 5)
                assert time.monotonic() - asked_at < 2, "sent away at once"
                for each in burst:
                    if each.done():
                        refused_for_now(each.result(), 429)
                assert service.http.get("/healthz").status_code == 200
                assert service.http.get("/metrics").status_code == 200
            statuses = [each.result().status_code for each in burst]
        assert sorted(statuses) == [200] * 3 + [429] * 9
        assert write(service, 1).status_code == 200


def test_a_request_that_takes_too_long_says_whether_it_was_begun(
    ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    with serving(ease_run, new_database("sqlite"), request_timeout_s=0.5) as service:
        with writing_to(service.database), ThreadPoolExecutor(2) as pool:
            asked_at = time.monotonic()
            begun = pool.submit(write, service, 1)
            time.sleep(0.1)
            waiting = pool.submit(write, service, 2)
            for answer in (begun.result(), waiting.result()):
                refused_for_now(answer)
                assert "0.5 seconds" in answer.json()["detail"]
            assert time.monotonic() - asked_at < 2
            assert "may still complete" in begun.result().json()["detail"]
            assert "aborted before it began" in waiting.result().json()["detail"]
        until(lambda: len(event_counts(service.database)) == 1, 5)
        until(lambda: write(service, 3).status_code == 200, 5)
        assert len(event_counts(service.database)) == 2, "the aborted one is not stored"


def test_a_deployment_is_not_cut_off(
    own_run: Path, new_database: Databases, serving: Serving
) -> None:
    with serving(own_run, new_database("sqlite"), request_timeout_s=0.5) as service:
        retrain(own_run, 5.0)
        for deploy in (service.client.reload, service.client.rollback):
            before = len(service.client.deployments().deployments)
            with ThreadPoolExecutor(1) as pool:
                with writing_to(service.database):
                    deployed = pool.submit(deploy)
                    time.sleep(1.5)
                assert deployed.result().current
            assert len(service.client.deployments().deployments) == before + 1


# The database is away


def test_without_its_database_the_service_still_reads_and_recovers(
    ease_run: Path, own_cluster: Cluster, serving: Serving
) -> None:
    with serving(ease_run, own_cluster.new_database()) as service:
        service.client.record(wire.Event(user_id="anna", item_id=3))
        touched = service.client.recommend(3).items[0].item_id
        service.client.record(wire.Event(user_id=3, item_id=touched))

        own_cluster.stop()
        known = service.client.recommend(3)
        assert (known.source, known.degraded) == ("model", True)
        unseen_user = service.client.recommend("anna")
        assert (unseen_user.source, unseen_user.degraded) == ("trending", True)
        assert service.client.history(3).degraded
        assert service.client.trending().degraded
        assert service.client.ready().status == "degraded"
        assert service.client.similar(3).items
        assert service.client.item(3).title == "Item 3"
        assert service.client.recommend_for([3]).degraded
        for answer in (
            write(service, "anna"),
            service.http.put("/v1/items/999", json={"title": "New"}),
            service.http.patch("/v1/items/3", json={"hidden": True}),
            service.http.delete("/v1/items/3"),
            service.http.delete("/v1/users/anna"),
            service.http.delete("/v1/users/anna/history/3"),
            service.http.post("/v1/admin/reload"),
            service.http.get("/v1/admin/deployments"),
        ):
            refused_for_now(answer)
        asked_at = time.monotonic()
        for _ in range(20):
            assert read(service, 3).status_code == 200
        assert time.monotonic() - asked_at < 5, "it waits for the database with every request"

        own_cluster.start()
        until(lambda: service.client.ready().status == "ready", HEALS_S)
        assert write(service, "anna", 4).status_code == 200
        assert history(service, "anna") == [4, 3]
        again = service.client.recommend(3, k=40)
        assert not again.degraded
        assert touched not in [item.item_id for item in again.items]


def test_the_service_starts_without_its_database_and_connects_later(
    ease_run: Path, own_cluster: Cluster, serving: Serving
) -> None:
    database = own_cluster.new_database()
    own_cluster.stop()
    with serving(ease_run, database) as service:
        assert service.client.recommend(3).degraded
        refused_for_now(write(service, 3))
        own_cluster.start()
        until(lambda: service.client.ready().status == "ready", HEALS_S)
        item = service.client.recommend(3).items[0].item_id
        assert write(service, 3, item).status_code == 200
        assert item not in [other.item_id for other in service.client.recommend(3, k=40).items]
        assert [each.reason for each in service.client.deployments().deployments] == ["start"]


def test_keys_are_still_checked_while_the_database_is_unavailable(
    ease_run: Path, own_cluster: Cluster, serving: Serving
) -> None:
    database = own_cluster.new_database()
    key = tastemaker("keys", "add", "--database", database).stdout.strip()
    with serving(ease_run, database, key=key) as service:
        own_cluster.stop()
        assert service.client.recommend(3).degraded
        assert httpx2.get(f"{service.url}/v1/users/3/recommendations").status_code == 401


def test_a_locked_database_refuses_writes_and_allows_reads(
    ease_run: Path, new_database: Databases, serving: Serving, unseen_user: int
) -> None:
    with serving(ease_run, new_database("sqlite")) as service, ThreadPoolExecutor(2) as pool:
        with writing_to(service.database):
            asked_at = time.monotonic()
            writes = [pool.submit(write, service, unseen_user) for _ in range(2)]
            for user in range(40):
                asked_a_read_at = time.monotonic()
                answer = service.client.recommend(user)
                assert (answer.source, len(answer.items)) == ("model", 10)
                assert time.monotonic() - asked_a_read_at < 2
            for each in writes:
                refused_for_now(each.result())
            assert 1 < time.monotonic() - asked_at < 15, "it waited for the other to end"
        until(lambda: write(service, unseen_user).status_code == 200, HEALS_S)
        assert history(service, unseen_user) == [3]
        assert service.client.ready().status == "ready"


def test_a_full_disk_refuses_writes_and_stores_no_partial_batch(
    ease_run: Path, new_database: Databases, serving: Serving, unseen_user: int
) -> None:
    with serving(ease_run, new_database("sqlite")) as service:
        batches = [
            [
                wire.Event(
                    user_id=unseen_user, item_id=i % 40, event_id=f"{unseen_user}-{number}-{i}"
                )
                for i in range(500)
            ]
            for number in range(40)
        ]
        service.client.record(batches[0])
        # A file may not grow beyond what it has now and a little: as if no more would fit.
        log = file_of(service.database).with_name(file_of(service.database).name + "-wal")
        room = log.stat().st_size + 100_000
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (room, -1))
        accepted = [batches[0]]
        with pytest.raises(ServiceError) as full:
            for batch in batches[1:]:
                service.client.record(batch)
                accepted.append(batch)
        assert full.value.status == 503
        for user in range(5):
            assert service.client.recommend(user).source == "model"
        assert history(service, unseen_user)
        wanted = {event.event_id for batch in accepted for event in batch}
        assert event_counts(service.database).keys() == wanted
        # There is room again.
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (-1, -1))
        refused = batches[len(accepted)]
        until(lambda: _is_taken(service, refused), HEALS_S)
        assert event_counts(service.database).keys() == wanted | {
            event.event_id for event in refused
        }


def _is_taken(service: Server, batch: list[wire.Event]) -> bool:
    with contextlib.suppress(ServiceError):
        return service.client.record(batch).accepted == len(batch)
    return False


# Other runs


@pytest.fixture
def own_run(ease_run: Path, tmp_path: Path) -> Path:
    """A run folder that a test may change."""
    return shutil.copytree(ease_run, tmp_path / "run")


def retrain(run: Path, regularization: float) -> None:
    tm.save_run(run, tm.EASE(regularization=regularization).fit(tm.no_holdout(two_tastes())))


def test_a_reload_swaps_the_model_without_dropping_a_request(
    own_run: Path, new_database: Databases, serving: Serving
) -> None:
    with serving(own_run, new_database("sqlite")) as service, ThreadPoolExecutor(3) as pool:
        first = service.client.ready().version
        enough, seen = Event(), set()

        def request_lists(user: int) -> int:
            n = 0
            while not enough.is_set():
                answer = service.client.recommend(user, k=3)
                assert (answer.source, len(answer.items)) == ("model", 3)
                seen.add(answer.version)
                n += 1
            return n

        requests = [pool.submit(request_lists, user) for user in range(3)]
        versions = [first]
        for regularization in (5.0, 10.0, 15.0):
            retrain(own_run, regularization)
            deployed = service.client.reload()
            assert (deployed.reason, deployed.current) == ("reload", True)
            assert service.client.recommend(9).version == deployed.version
            versions.append(deployed.version)
        enough.set()
        assert all(each.result() > 10 for each in requests), "every request got its list"
        assert len(set(versions)) == 4
        assert seen <= set(versions)
        log = service.client.deployments().deployments
        assert [each.version for each in log] == versions[::-1]
        assert [each.current for each in log] == [True, False, False, False]


def test_a_damaged_run_is_refused_and_the_previous_one_is_served(
    own_run: Path, new_database: Databases, serving: Serving
) -> None:
    with serving(own_run, new_database("sqlite")) as service:
        before = service.client.recommend(3)
        weights = own_run / "weights.safetensors"
        whole = weights.read_bytes()
        for damage in (whole[:-9], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
            weights.write_bytes(damage)
            refused = service.http.post("/v1/admin/reload")
            assert refused.status_code == 409
            assert "damaged" in refused.json()["detail"]
            assert service.client.recommend(3) == before
        shutil.rmtree(own_run)
        assert service.http.post("/v1/admin/reload").status_code == 409
        assert service.client.recommend(4).version == before.version
        assert len(service.client.deployments().deployments) == 1


def test_a_model_can_be_rolled_back_and_stays_so_after_a_restart(
    own_run: Path, new_database: Databases, serving: Serving
) -> None:
    with serving(own_run, new_database("sqlite")) as service:
        response = service.http.post("/v1/admin/rollback")
        assert response.status_code == 422
        assert "so a rollback is impossible" in response.json()["detail"]
        first = service.client.recommend(3)
        retrain(own_run, 50.0)
        second = service.client.reload()
        assert service.client.recommend(3).items != first.items
        restored = service.client.rollback()
        assert (restored.version, restored.reason) == (first.version, "rollback")
        assert restored.version != second.version
        assert service.client.recommend(3) == first
        service.stop()
        service.start()
        assert service.client.recommend(3) == first


# Several workers


def test_every_worker_sees_events_sent_to_another(
    ease_run: Path, new_database: Databases, serving: Serving, unseen_user: int
) -> None:
    with serving(ease_run, new_database("sqlite"), "--workers", 2) as service:
        until(lambda: len(service.workers()) == 2, 20)
        for item in range(20):
            with httpx2.Client(base_url=service.url) as fresh:
                body = {"user_id": unseen_user, "item_id": item}
                assert fresh.post("/v1/events", json=body).status_code == 200
            with httpx2.Client(base_url=service.url) as fresh:
                path = f"/v1/users/{unseen_user}/recommendations?k=40"
                answer = wire.RecommendationList.model_validate(fresh.get(path).json())
                assert item not in [place.item_id for place in answer.items]
                assert len(answer.items) == 39 - item
        assert metric(service, 'tastemaker_events_total{outcome="accepted"}') == 20

        # One dies: it is replaced, and what it had counted is not lost.
        killed = service.workers()[0]
        kill(killed)
        until(lambda: len(set(service.workers()) - {killed}) == 2, 30)
        until(lambda: _all_answer(service), 30)
        assert metric(service, 'tastemaker_events_total{outcome="accepted"}') == 20
        assert history(service, unseen_user) == list(range(20))[::-1]
        service.kill()
        until(lambda: not service.workers(), 5)


def _all_answer(service: Server) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        return all(httpx2.get(f"{service.url}/readyz").status_code == 200 for _ in range(10))
    return False


def metric(service: Server, name: str) -> float:
    lines = httpx2.get(f"{service.url}/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).rpartition(" ")[2])


def test_a_reload_reaches_every_worker(
    own_run: Path, new_database: Databases, serving: Serving
) -> None:
    with serving(own_run, new_database("sqlite"), "--workers", 2) as service:
        retrain(own_run, 50.0)
        version = service.client.reload().version

        def versions() -> set[str]:
            return {
                httpx2.get(f"{service.url}/v1/users/{user}/recommendations").json()["version"]
                for user in range(20)
            }

        until(lambda: versions() == {version}, 10)
        assert service.stop() in (0, -signal.SIGTERM)
        assert not service.workers()


def test_variables_of_the_environment_that_are_no_settings_are_named_at_the_start(
    tmp_path: Path,
) -> None:
    names = {"TASTEMAKER_RATES": "5", "TASTEMAKER_BURST": "9", "TASTEMAKER_DATA": "data"}
    typed = [sys.executable, "-m", "tastemaker.cli.main", "serve", tmp_path / "nowhere"]
    ended = subprocess.run(typed, capture_output=True, text=True, env=environment_with(names))
    noted, failed = ended.stderr.splitlines()
    assert noted == (
        "TASTEMAKER_RATES has no effect, since the service has no such setting; "
        'did you mean "rate"?'
    )
    assert failed.startswith("error: ")
