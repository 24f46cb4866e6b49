"""EASE against the paper's definition and the known answer on published data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.errors import ConfigError, UnsupportedError
from tastemaker.models.linear import ease
from tastemaker.progress import Progress
from tastemaker.testing.inductive import assert_same_scores
from tastemaker.testing.worlds import two_tastes


def test_each_item_is_predicted_by_ridge_regression_on_all_the_others() -> None:
    # The definition column by column, without the closed form: min |x_j - X b|² + λ|b|², b_j = 0.
    data = two_tastes(n_users=30, n_items=12, length=4)
    x = np.zeros((data.n_users, data.n_items))
    x[data.users, data.items] = 1
    expected = np.zeros((data.n_items, data.n_items))
    for j in range(data.n_items):
        others = [i for i in range(data.n_items) if i != j]
        gram = x[:, others].T @ x[:, others] + 3.0 * np.eye(len(others))
        expected[others, j] = np.linalg.solve(gram, x[:, others].T @ x[:, j])
    weights = tm.EASE(regularization=3.0).fit(tm.no_holdout(data)).state()["weights"]
    np.testing.assert_allclose(weights.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("neighbours", [None, 5])
def test_the_default_penalty_follows_the_weights(neighbours: int | None) -> None:
    data = two_tastes()
    values = np.random.default_rng(0).uniform(0.1, 9, len(data)).astype(np.float32)
    split = tm.no_holdout(replace(data, weights=values))
    mean_diagonal = (values.astype(np.float64) ** 2).sum() / 40
    by_default = tm.EASE(neighbours=neighbours).fit(split).state()["weights"]
    given = tm.EASE(neighbours=neighbours, regularization=20 + 5 * mean_diagonal).fit(split)
    np.testing.assert_allclose(by_default, given.state()["weights"], rtol=1e-6, atol=1e-8)


def test_the_default_penalty_ignores_items_without_interactions() -> None:
    frame = two_tastes().to_frame()
    items = pl.DataFrame({"item_id": [*range(40), *range(1000, 1100)]})
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    wide = tm.read(frame, items=items, untouched_items=True, **columns)
    scores = [
        model.score(model.users([3]))[:, :40]
        for model in (tm.EASE().fit(tm.no_holdout(data)) for data in (two_tastes(), wide))
    ]
    np.testing.assert_allclose(*scores, rtol=1e-5, atol=1e-6)


def test_the_known_answer_on_the_published_split(data_folder: Path) -> None:
    folder = data_folder / "ncf-ml-1m"
    split = tm.predefined_split(
        tm.read_interactions(folder / "train.parquet"),
        tm.read_interactions(folder / "test.parquet"),
        candidates=tm.read_candidate_lists(folder / "negatives.parquet"),
    )
    result = tm.evaluate(tm.EASE(regularization=1000).fit(split))
    assert result.metrics["hit_rate@10"] == pytest.approx(0.7177, abs=1e-4)
    assert result.metrics["ndcg@10"] == pytest.approx(0.4483, abs=1e-4)


def test_a_catalog_that_does_not_fit_is_refused_with_the_memory_it_needs(monkeypatch) -> None:
    monkeypatch.setattr(ease, "BYTES_PER_ENTRY", 10**13)
    with pytest.raises(UnsupportedError, match=r"40 items need [\d.]+ GiB of memory"):
        tm.EASE().fit(tm.no_holdout(two_tastes()))


def test_a_catalog_that_does_not_fit_is_accepted_with_neighbours(monkeypatch) -> None:
    monkeypatch.setattr(ease, "BYTES_PER_ENTRY", 10**13)
    split = tm.no_holdout(two_tastes())
    with pytest.raises(UnsupportedError, match=r"train with neighbours=100"):
        tm.EASE().fit(split)
    assert len(tm.EASE(neighbours=5).fit(split).recommend([1], k=3)) == 3
    monkeypatch.setattr(ease, "BYTES_PER_PRODUCT", 10**13)
    with pytest.raises(UnsupportedError, match=r"40 items with 5 neighbours each need [\d.]+ GiB"):
        tm.EASE(neighbours=5).fit(split)


def test_a_known_user_is_scored_by_the_history_of_the_moment() -> None:
    model = tm.EASE(regularization=1.0).fit(tm.no_holdout(two_tastes()))
    grown = tm.UserBatch(np.array([0]), np.array([0, 1, 2]), np.array([0, 3]))
    unseen_user = model.unseen_users([[0, 1, 2]])
    assert_same_scores(model.score(grown), model.score(unseen_user))


@pytest.mark.parametrize("n_users", [300, 30], ids=["more users than items", "fewer"])
@pytest.mark.parametrize("width", [7, 512])
def test_blocks_give_what_the_plain_algebra_gives(monkeypatch, n_users: int, width: int) -> None:
    data = two_tastes(n_users=n_users, n_items=50, length=9)
    x = np.zeros((data.n_users, data.n_items))
    x[data.users, data.items] = 1
    inverse = np.linalg.inv(x.T @ x + 2.0 * np.eye(50))
    expected = np.eye(50) - inverse / np.diag(inverse)
    monkeypatch.setattr(
        "tastemaker.models.linear.inverse.WIDTH", width
    )  # with 7 the last block has 1
    weights = tm.EASE(regularization=2.0).fit(tm.no_holdout(data)).state()["weights"]
    np.testing.assert_allclose(weights.numpy(), expected, atol=1e-6)


def test_a_matrix_that_cannot_be_inverted_is_refused_with_the_remedy() -> None:
    # Twice two items that the same users touched: without a penalty there is no solution.
    with pytest.raises(ConfigError, match="a higher regularization"):
        tm.EASE(regularization=1e-300).fit(
            tm.no_holdout(two_tastes(n_users=40, n_items=4, length=2))
        )


def test_progress_is_reported_and_may_end_the_work() -> None:
    seen: list[Progress] = []
    tm.EASE().fit(tm.no_holdout(two_tastes()), tm.TrainingRun(on_progress=seen.append))
    stages = list(dict.fromkeys(progress.what for progress in seen))
    assert "inverting the matrix" in stages
    for stage in stages:
        of_stage = [progress for progress in seen if progress.what == stage]
        assert of_stage[0].done == 0
        assert of_stage[-1].done == of_stage[-1].total

    def stop(progress: Progress) -> None:
        if progress.what == "inverting the matrix":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tm.EASE().fit(tm.no_holdout(two_tastes()), tm.TrainingRun(on_progress=stop))


def test_an_item_touched_twice_counts_once() -> None:
    model = tm.EASE(regularization=1.0).fit(tm.no_holdout(two_tastes()))
    scores = model.score(model.unseen_users([[0, 1], [0, 1, 0]]))
    assert_same_scores(scores[0], scores[1])


@pytest.mark.parametrize("n_users", [30, 8], ids=["more users than items", "fewer"])
def test_weights_are_the_entries_of_the_matrix_in_training_and_in_scoring(n_users: int) -> None:
    data = two_tastes(n_users=n_users, n_items=12, length=4)
    values = np.random.default_rng(0).uniform(0.1, 300, len(data)).astype(np.float32)
    x = np.zeros((n_users, 12))
    x[data.users, data.items] = values
    inverse = np.linalg.inv(x.T @ x + 50.0 * np.eye(12))
    expected = np.eye(12) - inverse / np.diag(inverse)
    model = tm.EASE(regularization=50.0).fit(tm.no_holdout(replace(data, weights=values)))
    np.testing.assert_allclose(model.state()["weights"].numpy(), expected, atol=1e-5)
    scores = model.score(model.users([0, 3]))
    np.testing.assert_allclose(scores.numpy(), x[[0, 3]] @ expected, rtol=1e-4, atol=1e-2)
