"""Deployments: which model every worker serves, whatever happens while one is opened."""

from pathlib import Path

import pytest

import tastemaker as tm
from tastemaker.bundle.bundle import Bundle, open_run
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.deployments import DeploymentLog
from tastemaker.testing.worlds import two_tastes

from .conftest import Databases, Serving
from .server import until

FACTORS = {"embedding_size": 4, "epochs": 2}


def trained(folder: Path, seed: int) -> Bundle:
    """iALS, whose scores are inner products, so that an index can be built."""
    tm.save_run(folder, tm.IALS(seed=seed, **FACTORS).fit(tm.no_holdout(two_tastes())))
    return open_run(folder)


def deploy(database: str, bundle: Bundle) -> None:
    """Deploys a model as another program does, such as `tastemaker learn`."""
    with Database(database) as opened:
        DeploymentLog(opened).record(bundle, "learned")


def test_a_deployment_without_the_index_that_is_needed_is_missing_until_it_has_one(
    new_database: Databases, serving: Serving, tmp_path: Path
) -> None:
    first, second = trained(tmp_path / "first", 1), trained(tmp_path / "second", 2)
    first.make_index()
    with serving(tmp_path / "first", new_database("sqlite"), "--approximate") as service:
        deploy(service.database, second)
        until(lambda: service.client.ready().missing == second.version, 30, service.output)
        answer = service.client.recommend(3)
        assert (answer.version, answer.degraded) == (first.version, False)
        service.stop()
        service.start()
        assert f"tastemaker index {tmp_path / 'second'}" in service.output()
        assert service.client.ready().missing == second.version
        assert service.client.recommend(3).version == first.version

        second.make_index()
        until(lambda: service.client.ready().version == second.version, 30, service.output)
        assert service.client.recommend(3).version == second.version
