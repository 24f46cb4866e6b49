"""GraphFilter against dense matrices by NumPy."""

from dataclasses import replace
from math import factorial
from typing import Any

import numpy as np
import pytest
import torch

import tastemaker as tm
from tastemaker import memory
from tastemaker.data.dataset import Dataset
from tastemaker.errors import ConfigError, UnsupportedError
from tastemaker.models.graph import graph_filter
from tastemaker.models.graph.graph_filter import GraphFilter
from tastemaker.progress import Progress
from tastemaker.testing.inductive import assert_same_scores
from tastemaker.testing.worlds import dataset_of, two_tastes


def weighted() -> Dataset:
    data = two_tastes()
    weights = np.random.default_rng(0).uniform(0.1, 9, len(data)).astype(np.float32)
    return replace(data, weights=weights)


def matrix_of(data: Dataset) -> np.ndarray:
    matrix = np.zeros((data.n_users, data.n_items))
    matrix[data.users, data.items] = 1 if data.weights is None else data.weights
    return matrix


def dense_scores(data: Dataset, polynomial: list[float], **settings: Any) -> np.ndarray:
    """The scores of the training histories by the papers' formulas, with P as a whole matrix."""
    config = GraphFilter(**settings).config
    r = matrix_of(data)
    user_degrees, item_degrees = r.sum(axis=1), r.sum(axis=0)
    edges = np.diag(user_degrees**-config.user_exponent) @ r
    edges = edges @ np.diag(item_degrees**-config.item_exponent)
    edges /= np.linalg.norm(edges, ord=2)
    p = edges.T @ edges
    powers = [np.linalg.matrix_power(p, i + 1) for i in range(len(polynomial))]
    passed = sum(c * power for c, power in zip(polynomial, powers, strict=True))
    raised = item_degrees[None, :] / item_degrees[:, None]
    vectors = np.linalg.eigh(p).eigenvectors[:, ::-1][:, : config.ideal_dimensions]
    ideal = config.ideal_weight * vectors @ vectors.T * raised**config.ideal_exponent
    blurred = passed * raised**config.popularity_exponent + ideal
    t, powers = config.sharpening, [np.linalg.matrix_power(p, i) for i in range(5)]
    sharpening = sum((-t) ** i / factorial(i) * power for i, power in enumerate(powers))
    return r @ blurred @ (sharpening * raised**config.popularity_exponent)


@pytest.mark.parametrize("data", [two_tastes(), weighted()], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    ("order", "polynomial"), [(1, [1.0]), (2, [2.0, -1.0]), (3, [0.71, 0.1, -0.01])]
)
def test_scores_are_those_of_dense_filters(
    data: Dataset, order: int, polynomial: list[float]
) -> None:
    for settings in (
        {"ideal_dimensions": 0},
        {"ideal_dimensions": 2},
        {
            "user_exponent": 0.3, "item_exponent": 0.6, "popularity_exponent": 0.2,
            "ideal_dimensions": 4, "ideal_weight": 0.7, "ideal_exponent": -0.1, "sharpening": 1.5,
        },
    ):  # fmt: skip
        model = GraphFilter(order=order, **settings).fit(tm.no_holdout(data))
        expected = dense_scores(data, polynomial, **settings)
        scores = model.score(model.users(list(range(data.n_users))))
        np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_the_ideal_filter_of_all_frequencies_returns_the_history() -> None:
    settings = {"ideal_dimensions": 99, "ideal_weight": 1.0}
    model = GraphFilter(**settings).fit(tm.no_holdout(two_tastes()))
    without = GraphFilter(ideal_dimensions=0).fit(model.split)
    users = model.users([0, 1])
    ideal = model.score(users) - without.score(users)
    np.testing.assert_allclose(ideal.numpy(), matrix_of(model.dataset)[:2], atol=1e-4)


@pytest.mark.parametrize("histories", [{0: [5]}, {0: [0, 1], 1: [0, 1]}, {0: [0], 1: [1]}])
def test_tiny_data_are_enough(histories: dict[int, list[int]]) -> None:
    model = GraphFilter(order=3).fit(tm.no_holdout(dataset_of(histories)))
    assert model.score(model.users([0])).isfinite().all()


def test_blocks_of_users_give_what_all_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    model = GraphFilter(order=2).fit(tm.no_holdout(two_tastes()))
    users = model.users(list(range(60)))
    whole = model.score(users)
    monkeypatch.setattr(graph_filter, "SCORES_AT_ONCE", 7 * 60)
    assert_same_scores(model.score(users), whole)


def test_a_popularity_exponent_raises_popular_items() -> None:
    split = tm.no_holdout(two_tastes())
    popular = torch.from_numpy(split.train.item_counts).topk(10).indices
    ranks = []
    for exponent in (0.0, 1.0):
        model = GraphFilter(popularity_exponent=exponent, ideal_dimensions=0).fit(split)
        scores = model.score(model.users(list(range(60))))
        ranks.append((scores.argsort(descending=True).argsort()[:, popular]).float().mean())
    assert ranks[1] < ranks[0]


def test_items_are_as_similar_as_their_columns() -> None:
    data = dataset_of({0: [0, 1], 1: [0, 1, 2], 2: [2, 3]})
    model = GraphFilter(user_exponent=0.0).fit(tm.no_holdout(data))
    similarities = model.item_similarity.to_all(torch.tensor([0, 3]))
    half, root = 1 / 2, 1 / np.sqrt(2)
    expected = [[1, 1, half, 0], [0, 0, root, 1]]
    np.testing.assert_allclose(similarities.numpy(), expected, atol=1e-6)
    vectors = torch.nn.functional.normalize(model.item_vectors, dim=1)
    torch.testing.assert_close(vectors[[0, 3]] @ vectors.T, similarities)


def test_dense_vectors_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = GraphFilter().fit(tm.no_holdout(two_tastes()))
    monkeypatch.setattr(memory, "available_bytes", lambda: 100)
    with pytest.raises(UnsupportedError, match="vectors of 40 items need"):
        model.item_vectors  # noqa: B018


def test_a_decomposition_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 100)
    with pytest.raises(UnsupportedError, match="40 vectors of users and items need"):
        GraphFilter().fit(tm.no_holdout(two_tastes()))


def test_frequencies_beyond_the_rank_of_the_data_pass_nothing() -> None:
    """Two groups of users with one history each have two frequencies, whatever is asked."""
    histories = {user: list(range(50) if user % 2 else range(50, 100)) for user in range(30)}
    model = GraphFilter(ideal_dimensions=64, half_life_events=None).fit(
        tm.no_holdout(dataset_of(histories))
    )
    for history in ([0, 1, 2, 3, 4], [40, 41, 42, 43, 44]):
        scores = model.score(model.unseen_users([history]))[0]
        own = torch.ones(100, dtype=torch.bool)
        own[history] = own[50:] = False
        assert float(scores[own].std()) < 1e-4 * float(scores[own].mean())


def test_each_round_of_the_decomposition_is_reported() -> None:
    reports: list[Progress] = []
    GraphFilter().fit(tm.no_holdout(two_tastes()), tm.TrainingRun(on_progress=reports.append))
    assert {progress.what for progress in reports} == {"finding the lowest frequencies"}
    assert reports[-1].done == reports[-1].total


def test_an_order_that_no_filter_has_is_refused() -> None:
    with pytest.raises(ConfigError, match="order is 4"):
        GraphFilter(order=4)
