"""A database belongs to one service, or to several that have names."""

import shutil
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

import tastemaker as tm
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.deployments import DeploymentLog
from tastemaker.testing.worlds import two_tastes

from .conftest import Databases, Serving
from .server import Server, kill, tastemaker, until


@pytest.fixture
def another_run(tmp_path: Path) -> Path:
    tm.save_run(tmp_path / "another", tm.EASE(regularization=70.0).fit(tm.no_holdout(two_tastes())))
    return tmp_path / "another"


def reasons_of(service: Server) -> list[str]:
    return [each.reason for each in service.client.deployments().deployments]


def test_another_run_on_the_same_database_is_refused_unless_it_has_a_name(
    ease_run: Path, another_run: Path, database: str, serving: Serving
) -> None:
    with serving(ease_run, database) as service:
        version = service.client.ready().version
        refused = tastemaker("serve", another_run, "--port", 0, "--database", database)
        assert refused.returncode == 2
        assert str(ease_run) in refused.stderr
        assert "--service NAME" in refused.stderr
        assert "Traceback" not in refused.stderr
        learning = tastemaker("learn", another_run, "--database", database)
        assert learning.returncode == 2
        with serving(another_run, database, "--service", "another") as other_service:
            assert other_service.client.ready().version != version
            other_service.client.reload()
            assert reasons_of(other_service) == [
                "reload",
                "start",
            ]
            assert reasons_of(service) == ["start"]
            assert service.client.recommend(3).version == version
        service.stop()
        service.start()
        assert service.client.ready().version == version
        assert f"serving {ease_run} at" in service.output()


def test_a_moved_or_retrained_run_is_the_same_service(
    ease_run: Path, another_run: Path, tmp_path: Path, database: str
) -> None:
    moved = shutil.copytree(ease_run, tmp_path / "moved")
    with Database(database) as opened:
        opened.migrate()
        log = DeploymentLog(opened)
        first = log.begin(tm.open_run(ease_run))
        assert log.begin(tm.open_run(moved)) == first
        shutil.rmtree(moved)
        retrained = tmp_path / "retrained"
        shutil.copytree(ease_run, retrained)
        log.record(tm.open_run(retrained), "reload")
        shutil.rmtree(retrained)
        shutil.copytree(another_run, retrained)
        assert log.begin(tm.open_run(retrained)).version == tm.open_run(another_run).version


def test_a_restart_logs_that_a_learned_model_replaced_the_run(
    ease_run: Path, tmp_path: Path, new_database: Databases, serving: Serving
) -> None:
    run, database = shutil.copytree(ease_run, tmp_path / "run"), new_database("sqlite")
    learned = tmp_path / "run.versions" / "0001"
    tm.save_run(learned, tm.EASE(regularization=9.0).fit(tm.no_holdout(two_tastes())))
    with Database(database) as opened:
        opened.migrate()
        log = DeploymentLog(opened)
        log.begin(tm.open_run(run))
        deployed = log.record(tm.open_run(learned), "learned")
    with serving(run, database) as service:
        assert service.client.ready().version == deployed.version
        assert f"serving {learned} at" in service.output()
        assert "trained on events" in " ".join(service.output().split())
        service.stop()
        shutil.rmtree(learned)
        service.start()
        assert service.client.ready().version == tm.open_run(run).version
        assert f"serving {run} at" in service.output()
        assert "is no longer in this folder" in " ".join(service.output().split())


def test_a_replica_follows_the_deployments_of_the_other(
    ease_run: Path, tmp_path: Path, database: str, serving: Serving
) -> None:
    run = shutil.copytree(ease_run, tmp_path / "run")
    with serving(run, database) as service, serving(run, database) as replica:
        first = service.client.ready().version
        tm.save_run(run, tm.EASE(regularization=9.0).fit(tm.no_holdout(two_tastes())))
        second = service.client.reload().version
        assert second != first
        until(lambda: replica.client.recommend(3).version == second, 30, replica.output)
        assert replica.client.rollback().version == first
        until(lambda: service.client.recommend(3).version == first, 30, service.output)


def test_a_replica_that_cannot_open_the_deployed_run_is_degraded_until_it_can(
    ease_run: Path, tmp_path: Path, new_database: Databases, serving: Serving
) -> None:
    run, database = shutil.copytree(ease_run, tmp_path / "run"), new_database("sqlite")
    learned = tmp_path / "run.versions" / "0001"
    tm.save_run(learned, tm.EASE(regularization=9.0).fit(tm.no_holdout(two_tastes())))
    with serving(run, database, "--workers", 2) as service, Database(database) as opened:
        before = service.client.ready().version
        bundle = tm.open_run(learned)
        hidden = learned.rename(tmp_path / "hidden")
        DeploymentLog(opened).record(bundle, "learned")

        def numbers() -> str:
            try:
                return httpx2.get(f"{service.url}/metrics").text
            except httpx2.TransportError:
                return ""  # no worker answers yet

        until(lambda: service.client.ready().missing == bundle.version, 30, service.output)
        assert service.client.ready().status == "degraded"
        assert service.client.ready().version == before
        until(lambda: "tastemaker_model_missing 1.0" in numbers(), 30)
        assert service.client.recommend(3).version == before
        assert "deployed model cannot be opened" in service.output()

        def stats_with_missing() -> dict[str, Any]:
            stats = service.http.get("/v1/admin/stats").json()
            return stats if stats["missing"] else {}

        stats = until(stats_with_missing, 30, service.output)
        assert (stats["missing"], stats["deployment"]["version"]) == (bundle.version, before)
        assert stats["deployment"]["reason"] == "start"
        desk = service.http.get("/desk", headers={"Accept": "text/html"}).text
        assert "cannot be opened here" in desk

        hidden.rename(learned)
        # The metrics of a worker go with it.
        for pid in service.workers():
            kill(pid)
        until(lambda: "tastemaker_model_missing" in numbers(), 60, service.output)
        until(lambda: service.client.ready().status == "ready", 30, service.output)
        until(lambda: service.client.ready().version == bundle.version, 30)
        until(lambda: "tastemaker_model_missing 0.0" in numbers(), 30)


def test_the_gauges_of_all_workers_are_current_whichever_answers(
    ease_run: Path, tmp_path: Path, new_database: Databases, serving: Serving
) -> None:
    run, learned = shutil.copytree(ease_run, tmp_path / "run"), tmp_path / "learned"
    tm.save_run(learned, tm.EASE(regularization=9.0).fit(tm.no_holdout(two_tastes())))
    with (
        serving(run, new_database("sqlite"), "--workers", 2) as service,
        Database(service.database) as opened,
        httpx2.Client(base_url=service.url) as monitoring,
    ):
        until(lambda: len(service.workers()) == 2, 20)
        bundle, hidden = tm.open_run(learned), learned.rename(tmp_path / "hidden")
        DeploymentLog(opened).record(bundle, "learned")

        def are_missing(expected: str | None) -> bool:
            answers = [httpx2.get(f"{service.url}/readyz") for _ in range(12)]
            _ = [httpx2.get(f"{service.url}/metrics") for _ in range(12)]
            return {answer.json()["missing"] for answer in answers} == {expected}

        until(lambda: are_missing(bundle.version), 30, service.output)
        hidden.rename(learned)
        until(lambda: {httpx2.get(f"{service.url}/readyz").json()["missing"]} == {None}, 30)
        for _ in range(30):
            httpx2.get(f"{service.url}/readyz")  # so that both workers notice it
            time.sleep(0.2)
        # Over one connection, always the same worker answers.
        until(lambda: "tastemaker_model_missing 0.0" in monitoring.get("/metrics").text, 5)
