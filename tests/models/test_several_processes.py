"""Models without a network that several processes train: each process gets the model of one."""

import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.models.recommender import Recommender
from tastemaker.process_group import process_rank
from tastemaker.progress import Progress
from tastemaker.testing.worlds import dataset_of, drifting, two_tastes
from tests.processes import in_group


def weighted() -> tm.Dataset:
    data = two_tastes()
    values = np.random.default_rng(0).uniform(0.1, 9, len(data)).astype(np.float32)
    return replace(data, weights=values)


def with_features() -> tm.Dataset:
    items = pl.DataFrame({"item_id": range(40), "price": [item % 7 for item in range(40)]})
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    return tm.read(two_tastes().to_frame(), items=items, **columns)


WORLDS: dict[str, Callable[[], tm.Dataset]] = {
    "more than one panel of items": partial(two_tastes, n_users=600, n_items=530),
    "fewer users than items": partial(two_tastes, n_users=7),
    "weights": weighted,
    "a single pair": partial(dataset_of, {0: [5]}),
    "fading interactions": drifting,
}

MODELS: dict[str, Callable[[], Recommender]] = {
    "popularity": partial(tm.Popularity, weighted=True),
    "repeat": tm.Repeat,
    "random": tm.Random,
    "itemknn": partial(tm.ItemKNN, neighbours=5),
    "itemknn bm25": partial(tm.ItemKNN, neighbours=50, similarity="bm25"),
    "ease": partial(tm.EASE, regularization=5.0),
    "ease of nearest items": partial(tm.EASE, regularization=5.0, neighbours=5),
    "ials": partial(tm.IALS, embedding_size=8, epochs=4, regularization_exponent=0.5),
}


def fitted() -> dict[str, Any]:
    """The states of all models on all worlds, and the losses of their epochs."""
    results: dict[str, Any] = {}
    for world, data in WORLDS.items():
        for name, make in MODELS.items():
            model = make().fit(tm.no_holdout(data()))
            results[f"{name}, {world}"] = {
                **model.state(), "losses": [record["loss"] for record in model.log.records],
            }  # fmt: skip
    model = tm.EASE(feature_weight=2.0).fit(tm.no_holdout(with_features()))
    return results | {"ease, features": model.state()}


@pytest.fixture(scope="module")
def of_one_process() -> dict[str, Any]:
    return fitted()


@pytest.mark.parametrize("n", [2, 3])
def test_every_process_gets_the_model_of_one_process(
    tmp_path: Path, n: int, of_one_process: dict[str, Any]
) -> None:
    for results in in_group(n, tmp_path, fitted):
        torch.testing.assert_close(results, of_one_process)


def counted() -> list[int]:
    """The number of items that this process compares."""
    totals: list[int] = []

    def on_progress(progress: Progress) -> None:
        totals.append(progress.total)

    tm.ItemKNN().fit(tm.no_holdout(two_tastes()), tm.TrainingRun(on_progress=on_progress))
    return totals


def test_processes_divide_the_items_that_they_compare(tmp_path: Path) -> None:
    assert [set(totals) for totals in in_group(3, tmp_path, counted)] == [{13}, {13}, {14}]


def interrupted() -> tuple[bool, int]:
    """Whether iALS was interrupted, and its epochs, if one process gets a Ctrl-C in the second."""

    def on_progress(progress: Progress) -> None:
        if process_rank() == 1 and progress.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    model = tm.IALS(embedding_size=8, epochs=100)
    model.fit(tm.no_holdout(two_tastes()), tm.TrainingRun(on_progress=on_progress))
    return model.log.interrupted, len(model.log.records)


def test_ctrl_c_in_one_process_ends_all_with_the_same_epoch(tmp_path: Path) -> None:
    assert in_group(2, tmp_path, interrupted) == [(True, 2), (True, 2)]
