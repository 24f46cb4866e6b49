"""EASE in which each item is predicted by its nearest items, against the plain algebra."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.errors import ConfigError
from tastemaker.progress import Progress
from tastemaker.ranking.similarity import VectorSimilarity
from tastemaker.testing.inductive import assert_same_scores
from tastemaker.testing.worlds import dataset_of, two_tastes

REGULARIZATION = 2.0


def crowded() -> tm.Dataset:
    """Items any two of which have a common user."""
    return two_tastes(n_users=300, n_items=20, length=9)


def weighted() -> tm.Dataset:
    data = crowded()
    values = np.random.default_rng(0).uniform(0.1, 9, len(data)).astype(np.float32)
    return replace(data, weights=values)


def with_features() -> tm.Dataset:
    """Items with a category and a number, of which the last two were never touched."""
    items = pl.DataFrame(
        {
            "item_id": range(32),
            "price": range(32),
            "brand": ["dull" if i < 16 else "loud" for i in range(32)],
        }
    )
    frame = two_tastes(n_users=80, n_items=30, length=9).to_frame()
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    return tm.read(frame, items=items, untouched_items=True, **columns)


@pytest.mark.parametrize("items_at_once", [1, 50, 2048])
def test_an_item_is_predicted_by_ridge_regression_on_its_nearest_items(
    monkeypatch, items_at_once: int
) -> None:
    monkeypatch.setattr("tastemaker.models.linear.regressions.ITEMS_AT_ONCE", items_at_once)
    monkeypatch.setattr("tastemaker.models.linear.regressions.ROWS_AT_ONCE", 7)
    data = weighted()
    x = np.zeros((data.n_users, data.n_items))
    x[data.users, data.items] = data.weights
    gram = x.T @ x
    nearness = gram / np.sqrt(np.diag(gram) + REGULARIZATION)
    np.fill_diagonal(nearness, 0)
    expected = np.zeros_like(gram)
    for j in range(data.n_items):
        nearest = np.argsort(-nearness[j])[:6]
        system = gram[np.ix_(nearest, nearest)] + REGULARIZATION * np.eye(6)
        expected[nearest, j] = np.linalg.solve(system, gram[nearest, j])
    model = tm.EASE(regularization=REGULARIZATION, neighbours=6).fit(tm.no_holdout(data))
    np.testing.assert_allclose(model.item_vectors.numpy(), expected, atol=1e-5)
    scores = model.score(model.users([0, 3]))
    np.testing.assert_allclose(scores.numpy(), x[[0, 3]] @ expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("make_data", "settings"),
    [
        (crowded, {}),
        (weighted, {}),
        (crowded, {"half_life_events": 3.0}),
        (with_features, {"feature_weight": 1.5}),
    ],
    ids=["counts", "weights", "fading", "features"],
)
def test_with_all_items_near_the_weights_are_those_without_the_setting(
    make_data: Callable[[], tm.Dataset], settings: dict[str, float]
) -> None:
    data = make_data()
    exact, local = (
        tm.EASE(regularization=REGULARIZATION, neighbours=neighbours, **settings).fit(
            tm.no_holdout(data)
        )
        for neighbours in (None, 1000)
    )
    np.testing.assert_allclose(local.item_vectors.numpy(), exact.item_vectors.numpy(), atol=1e-5)
    users = local.unseen_users([[0, 1, 2], [17]])
    assert_same_scores(local.score(users), exact.score(users))


def test_features_predict_a_new_item(tmp_path: Path) -> None:
    model = tm.EASE(regularization=20.0, feature_weight=1.5, neighbours=10)
    model.fit(tm.no_holdout(with_features()))
    tm.save_run(tmp_path / "run", model)
    opened = tm.open_run(tmp_path / "run").model
    assert not opened.is_cold(opened.unseen_users([[31]])).any()
    assert opened.state()["neighbours"].shape == (32, 10)


def test_similarity_needs_no_dense_matrix_and_is_that_of_one(monkeypatch) -> None:
    model = tm.EASE(neighbours=5).fit(tm.no_holdout(two_tastes()))
    plain = VectorSimilarity(model.item_vectors)
    monkeypatch.delattr(tm.EASE, "item_vectors")
    items = torch.tensor([3, 0, 39])
    torch.testing.assert_close(model.item_similarity.to_all(items), plain.to_all(items))


def test_an_item_with_fewer_neighbours_has_its_own_code_with_the_weight_0() -> None:
    model = tm.EASE(neighbours=3).fit(
        tm.no_holdout(dataset_of({0: [1, 2], 1: [1, 2], 2: [3, 4, 5]}))
    )
    state = model.state()
    assert sorted(state["neighbours"][0].tolist()) == [0, 0, 1]
    weights = dict(zip(state["neighbours"][0].tolist(), state["weights"][0].tolist(), strict=True))
    assert weights[0] == 0
    assert weights[1] > 0


def test_a_single_item_has_no_neighbours() -> None:
    model = tm.EASE(neighbours=3).fit(tm.no_holdout(dataset_of({0: [5], 1: [5]})))
    assert model.state()["weights"].shape == (1, 0)
    assert model.score(model.users([0])).tolist() == [[0]]


def test_systems_without_a_solution_are_refused_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match="a higher regularization"):
        tm.EASE(regularization=1e-300, neighbours=3).fit(
            tm.no_holdout(two_tastes(n_users=40, n_items=4, length=2))
        )


def test_progress_is_reported_and_may_end_the_work() -> None:
    seen: list[Progress] = []
    split = tm.no_holdout(two_tastes())
    tm.EASE(neighbours=5).fit(split, tm.TrainingRun(on_progress=seen.append))
    last = {progress.what: progress for progress in seen}
    assert last["predicting items by others"].done == 40
    assert all(progress.done == progress.total for progress in last.values())

    def stop(progress: Progress) -> None:
        if progress.what == "predicting items by others":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tm.EASE(neighbours=5).fit(split, tm.TrainingRun(on_progress=stop))
