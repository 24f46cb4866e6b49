"""iALS against its own equations, Rendle's form of them and the known answer on published data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tastemaker as tm
from tastemaker.models.factorization import ials, implicit_library
from tastemaker.models.factorization.ials import IALS
from tastemaker.testing.inductive import assert_same_scores
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.run import TrainingRun

if implicit_library.INSTALLED:
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

needs_implicit = pytest.mark.skipif(not implicit_library.INSTALLED, reason="needs implicit")


def of_vectors(items: torch.Tensor, **settings) -> IALS:
    """A fitted model with these item vectors."""
    config = ials.IALSConfig(embedding_size=items.shape[1], **settings)
    return IALS.from_state(config, tm.no_holdout(two_tastes()), {"items": items})


def random_vectors(d: int = 5) -> torch.Tensor:
    return torch.randn(40, d, generator=torch.Generator().manual_seed(0))


def gradient(objective, vector: np.ndarray) -> np.ndarray:
    variable = torch.from_numpy(vector).double().requires_grad_()
    objective(variable).backward()
    return variable.grad.numpy()


HISTORIES = pytest.mark.parametrize("history", [[1, 5, 9], list(range(3, 20))])
"""Fewer items than the vectors have dimensions, and more."""


@HISTORIES
@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_a_users_vector_is_where_the_objective_is_least(
    history: list[int], exponent: float
) -> None:
    items, data = random_vectors(), two_tastes()
    model = of_vectors(items, alpha=4.0, regularization=2.0, regularization_exponent=exponent)
    vector = model.queries(model.unseen_users([history]))[0].numpy()
    confidences = [40 + 4.0 * data.user_counts, data.n_users + 4.0 * data.item_counts]
    mean = (np.concatenate(confidences) ** exponent).mean()
    penalty = 2.0 * (40 + 4.0 * len(history)) ** exponent / mean

    def objective(x: torch.Tensor) -> torch.Tensor:
        touched = torch.isin(torch.arange(40), torch.tensor(history)).double()
        errors = (1 + 4.0 * touched) * (touched - items.double() @ x).square()
        return errors.sum() + penalty * x.square().sum()

    np.testing.assert_allclose(gradient(objective, vector), 0, atol=1e-4)
    assert np.abs(gradient(objective, vector + 0.1)).max() > 1


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_the_mapping_to_rendles_weights_holds(exponent: float) -> None:
    # With the items scaled by s and the user by s too, his target of 1 / (1 + α₀) becomes 1.
    unobserved, penalty, data = 0.25, 3.0, two_tastes()
    scale = (1 + unobserved) ** 0.5
    items = random_vectors()
    counts = [data.user_counts + unobserved * 40, data.item_counts + unobserved * data.n_users]
    mean = (np.concatenate(counts) ** exponent).mean()
    model = of_vectors(
        items * scale,
        alpha=1 / unobserved,
        regularization=penalty * (1 + unobserved) / unobserved * mean,
        regularization_exponent=exponent,
    )
    vector = model.queries(model.unseen_users([[1, 5, 9]]))[0].numpy() / scale

    def objective(x: torch.Tensor) -> torch.Tensor:
        scores = items.double() @ x
        observed = (1 - scores[[1, 5, 9]]).square().sum()
        of_user = penalty * (3 + unobserved * 40) ** exponent
        return observed + unobserved * scores.square().sum() + of_user * x.square().sum()

    np.testing.assert_allclose(gradient(objective, vector), 0, atol=1e-4)


def test_a_known_user_is_scored_by_the_history_of_the_moment() -> None:
    model = of_vectors(random_vectors())
    grown = tm.UserBatch(np.array([0]), np.array([0, 1, 2]), np.array([0, 3]))
    assert_same_scores(model.score(grown), model.score(model.unseen_users([[0, 1, 2]])))


@needs_implicit
def test_users_get_the_vectors_that_the_package_gives_them() -> None:
    split = tm.no_holdout(two_tastes())
    model = IALS(embedding_size=6, alpha=3.0, regularization=0.5, epochs=4, seed=1).fit(split)
    with threadpool_limits(1, "blas"):
        package = AlternatingLeastSquares(
            factors=6, alpha=4.0, regularization=0.5, iterations=4, random_state=1,
            calculate_training_loss=True,
        )  # fmt: skip
        matrix, losses = ials.interaction_matrix(split.train), []
        package.fit(
            matrix, show_progress=False, callback=lambda epoch, seconds, loss: losses.append(loss)
        )
    # Both take the same steps, but round differently, and the steps of the first epochs, in which
    # all vectors point in similar directions, enlarge that.
    assert [record["loss"] for record in model.log.records] == pytest.approx(losses, rel=1e-4)
    np.testing.assert_allclose(package.item_factors, model.state()["items"], atol=2e-3)
    found = model.queries(model.users([0, 1, 2])).numpy()
    expected = package.recalculate_user(np.arange(3), matrix[:3])
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_each_epoch_is_reported_and_the_loss_falls(capfd) -> None:
    reports = []
    model = IALS(embedding_size=4, epochs=5)
    model.fit(tm.no_holdout(two_tastes()), TrainingRun(on_progress=reports.append))
    assert [(progress.epoch, progress.epochs) for progress in reports if progress.metrics] == [
        (epoch, 5) for epoch in range(1, 6)
    ]
    losses = [record["loss"] for record in model.log.records]
    assert losses == sorted(losses, reverse=True)
    assert model.log.best_epoch == 5
    assert capfd.readouterr() == ("", "")


def test_the_number_of_cores_does_not_change_the_model() -> None:
    split, states, before = tm.no_holdout(two_tastes()), [], torch.get_num_threads()
    try:
        for cores in (1, 2):
            torch.set_num_threads(cores)
            states.append(IALS(embedding_size=8).fit(split).state()["items"])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*states)


@pytest.mark.slow
def test_the_known_answer_on_the_published_split(data_folder: Path) -> None:
    # Rendle et al. 2022 report 0.711 and 0.438 for iALS on this split and protocol.
    folder = data_folder / "ncf-ml-1m"
    split = tm.predefined_split(
        tm.read_interactions(folder / "train.parquet"),
        tm.read_interactions(folder / "test.parquet"),
        candidates=tm.read_candidate_lists(folder / "negatives.parquet"),
    )
    result = tm.evaluate(IALS().fit(split))
    assert result.metrics["hit_rate@10"] > 0.711
    assert result.metrics["ndcg@10"] > 0.438


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_training_converges_to_the_least_objective_with_weights_and_penalties(
    exponent: float,
) -> None:
    data = two_tastes(n_users=30, n_items=12, length=4)
    values = np.random.default_rng(0).uniform(0.1, 9, len(data)).astype(np.float32)
    split = tm.no_holdout(replace(data, weights=values))
    model = IALS(
        embedding_size=4,
        alpha=2.0,
        regularization=3.0,
        regularization_exponent=exponent,
        epochs=60,
    ).fit(split)
    touched, confidences = np.zeros((30, 12)), np.ones((30, 12))
    touched[data.users, data.items] = 1
    confidences[data.users, data.items] += 2.0 * values
    totals = np.concatenate([confidences.sum(1), confidences.sum(0)]) ** exponent
    of_users, of_items = np.split(3.0 * totals / totals.mean(), [30])

    def solved(fixed: np.ndarray, c: np.ndarray, p: np.ndarray, penalty: float) -> np.ndarray:
        system = fixed.T @ (c[:, None] * fixed) + penalty * np.eye(4)
        return np.linalg.solve(system, fixed.T @ (c * p))

    items = model.state()["items"].double().numpy()
    rows = zip(confidences, touched, of_users, strict=True)
    users = np.stack([solved(items, *row) for row in rows])
    found = model.queries(model.users(list(range(30)))).numpy()
    np.testing.assert_allclose(found, users, rtol=1e-3, atol=1e-4)
    # The fit has converged: with the users fixed, these are the best item vectors.
    columns = zip(confidences.T, touched.T, of_items, strict=True)
    best = np.stack([solved(users, *column) for column in columns])
    np.testing.assert_allclose(items, best, rtol=0.01, atol=0.01)


def test_a_history_without_weights_has_the_mean_weight_of_the_training_data() -> None:
    data = two_tastes()
    weights = np.where(np.arange(len(data)) % 2, 2, 4).astype(np.float32)
    split = tm.no_holdout(replace(data, weights=weights))
    config = ials.IALSConfig(embedding_size=5)
    model = IALS.from_state(config, split, {"items": random_vectors()})
    users = model.unseen_users([[1, 5, 9]])
    mean = replace(users, weights=np.full(3, 3, dtype=np.float32))
    assert_same_scores(model.score(users), model.score(mean))


def test_the_usual_settings_follow_the_density_of_the_data() -> None:
    items, data = random_vectors(), two_tastes()
    assert (data.n_users, data.n_items, len(data)) == (60, 40, 600)  # a quarter of all pairs
    chosen = of_vectors(items)
    stated = of_vectors(items, alpha=2.0, regularization=0.06 * (1 + 2.0) * 12)
    users = chosen.users([0, 1])
    assert_same_scores(chosen.score(users), stated.score(users))


def test_the_usual_settings_do_not_depend_on_the_unit_of_the_weights() -> None:
    data = two_tastes()
    weights = np.where(np.arange(len(data)) % 2, 2, 4).astype(np.float32)
    config, state = ials.IALSConfig(embedding_size=5), {"items": random_vectors()}
    scores = []
    for values in (weights, 100 * weights):
        model = IALS.from_state(config, tm.no_holdout(replace(data, weights=values)), state)
        scores.append(model.score(model.users([0, 1])))
    assert_same_scores(*scores)
