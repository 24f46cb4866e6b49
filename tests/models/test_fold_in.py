"""Vectors found from histories outside training, against the objective written out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

import tastemaker as tm
from tastemaker.models.factorization.fold_in import PRIOR_WEIGHT
from tastemaker.models.factorization.user_loss import rows_of_pairs
from tastemaker.models.factorization.vector_model import VectorModel
from tastemaker.ranking.ranks import rank_in_catalog
from tastemaker.testing.inductive import assert_same_scores
from tastemaker.testing.worlds import two_tastes, untouched_item

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def mf() -> tm.MF:
    model = tm.MF(embedding_size=6, epochs=60, batch_size=8, seed=3)
    return model.fit(tm.no_holdout(two_tastes()))


def of_history(code: int, items: list[int]) -> tm.UserBatch:
    return tm.UserBatch(
        np.array([code]), np.array(items, dtype=np.int64), np.array([0, len(items)])
    )


def prior_of(model: VectorModel) -> tuple[np.ndarray, np.ndarray]:
    table = model.network.users.weight.double().numpy()
    return table.mean(axis=0), table.std(axis=0)


def scores_of(model: tm.MF, vector: np.ndarray) -> np.ndarray:
    w = {name: tensor.double().numpy() for name, tensor in model.state().items()}
    return w["items.weight"] @ vector[:-1] + vector[-1] + w["biases.weight"][:, 0]


def assert_near_the_least(objective, found: np.ndarray, start: np.ndarray) -> None:
    least, at_start = minimize(objective, start).fun, objective(start)
    assert objective(found) < least + 0.05 * (at_start - least)


def test_an_unseen_users_vector_explains_the_history_near_the_average_user(mf: tm.MF) -> None:
    mean, deviation = prior_of(mf)

    def objective(vector: np.ndarray) -> float:
        prior = 0.5 * PRIOR_WEIGHT * (((vector - mean) / deviation) ** 2).sum()
        return prior - log_softmax(scores_of(mf, vector))[[1, 5, 9]].sum()

    found = mf._vectors(mf.unseen_users([[1, 5, 9]]))[0].double().numpy()
    assert_near_the_least(objective, found, mean)


def test_an_updated_vector_explains_the_new_items_and_keeps_the_other_scores(mf: tm.MF) -> None:
    _, deviation = prior_of(mf)
    known = mf.dataset.history(4).tolist()
    trained = mf.network.users.weight[4].double().numpy()
    before = softmax(scores_of(mf, trained))

    def objective(vector: np.ndarray) -> float:
        now = log_softmax(scores_of(mf, vector))
        divergence = (before * (np.log(before) - now)).sum()
        prior = 0.5 * PRIOR_WEIGHT * (((vector - trained) / deviation) ** 2).sum()
        return prior + len(known) * divergence - now[[30, 31]].sum()

    found = mf._vectors(of_history(4, [*known, 30, 31]))[0].double().numpy()
    assert_near_the_least(objective, found, trained)


def test_a_user_as_in_training_keeps_the_trained_vector(mf: tm.MF) -> None:
    table = mf.network.users.weight
    assert torch.equal(mf._vectors(mf.users([7, 4])), table[[7, 4]])
    assert torch.equal(mf._vectors(of_history(4, [])), table[[4]])
    # Nothing that training did not know: there is nothing to move for.
    fewer = of_history(4, mf.dataset.history(4).tolist()[:-2])
    torch.testing.assert_close(mf._vectors(fewer), table[[4]])


@pytest.mark.parametrize("changed", [0, -1])
def test_only_whose_history_changed_gets_another_vector(mf: tm.MF, changed: int) -> None:
    histories = [mf.dataset.history(user).tolist() for user in (4, 5, 6, 7)]
    histories[2][changed] = next(item for item in range(40) if item not in histories[2])
    users = replace(tm.UserBatch.unseen_users(histories), codes=np.arange(4, 8))
    as_trained = (mf._vectors(users) == mf.network.users.weight[4:8]).all(dim=1)
    assert as_trained.tolist() == [True, True, False, True]


@pytest.mark.parametrize("loss", ["softmax", "bce", "bpr", "sampled_softmax"])
def test_an_untouched_item_in_a_history_changes_no_scores(loss: str) -> None:
    model = tm.MF(loss=loss, embedding_size=4, epochs=2).fit(tm.no_holdout(untouched_item()))
    history = model.dataset.history(3).tolist()
    assert_same_scores(model.score(of_history(3, [*history, 6])), model.score(model.users([3])))
    assert_same_scores(
        model.score(model.unseen_users([[6, 0, 6]])), model.score(model.unseen_users([[0]]))
    )


def test_each_interaction_meets_drawn_items_that_its_user_never_touched() -> None:
    negatives = torch.randint(8, (3, 4), generator=torch.Generator().manual_seed(0)).numpy()
    users = tm.UserBatch.unseen_users([[7, 1, 2, 3], [5]])
    known = tm.UserBatch.unseen_users([[7, 1, 2], []])
    rows = rows_of_pairs(users, known, negatives, 8, CPU)
    # Three rows for each user, the latest in front; of four interactions the oldest is left out.
    assert rows.items[:, :, 0].tolist() == [[3, 2, 1], [5, 0, 0]]
    assert rows.weights.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert rows.known_weights.tolist() == [[0, 1, 1], [0, 0, 0]]
    # All are given the same, but for what they touched.
    assert (rows.items[:, :, 1:] == torch.from_numpy(negatives)).all()
    for user, history in enumerate([[7, 1, 2, 3], [5]]):
        touched = torch.isin(rows.items[user, :, 1:], torch.tensor(history))
        assert torch.equal(rows.filling[user, :, 1:], touched)


def test_the_rows_of_interactions_have_their_relative_weights_now_and_in_training() -> None:
    negatives = torch.zeros((3, 1), dtype=torch.int64).numpy()
    users = replace(
        tm.UserBatch.unseen_users([[7, 1, 2], [5]]),
        weights=np.array([2, 8, 6, 1], dtype=np.float32),
    )
    known = replace(
        tm.UserBatch.unseen_users([[1, 7], [5]]), weights=np.array([4, 2, 1], dtype=np.float32)
    )
    rows = rows_of_pairs(users, known, negatives, 8, CPU, mean_weight=2.0)
    assert rows.items[0, :, 0].tolist() == [2, 1, 7]
    assert rows.weights.tolist() == [[3, 4, 1], [0.5, 0, 0]]
    assert rows.known_weights.tolist() == [[0, 2, 1], [0.5, 0, 0]]


@pytest.mark.parametrize("loss", ["softmax", "bce"])
def test_a_heavier_interaction_moves_a_known_user_towards_it(loss: str) -> None:
    data = two_tastes()
    data = replace(data, weights=np.full(len(data), 3, dtype=np.float32))
    model = tm.MF(loss=loss, embedding_size=8, epochs=10, learning_rate=0.05, seed=1)
    model.fit(tm.no_holdout(data))
    users = model.users([4])
    heavier = replace(users, weights=users.weights * np.where(np.arange(10) == 2, 20, 1))
    without = replace(users, weights=None)
    before, same, after = (model.score(batch)[0] for batch in (users, without, heavier))
    assert torch.equal(before, same), "a history without weights is that of training"
    rise = after - before
    assert rise[users.items[2]] > max(0.0, float(rise.mean()))


@pytest.mark.slow
def test_on_real_data_newer_interactions_raise_the_next_items(data_folder: Path) -> None:
    split = tm.leave_k_out(tm.load("ml-100k"), 5)
    model, targets = tm.MF().fit(split), split.targets("test")
    stale = tm.UserBatch.known(split.train, targets.users)
    grown = tm.UserBatch.known(split.known_before("test"), targets.users)
    before, after = (
        rank_in_catalog(model.score(users), grown, np.arange(len(targets)), targets.items)
        for users in (stale, grown)
    )
    assert after.log2().mean() < before.log2().mean() - 0.1


@pytest.mark.slow
def test_on_real_data_an_unseen_user_with_a_users_history_gets_a_similar_list(
    data_folder: Path,
) -> None:
    model = tm.MF().fit(tm.leave_one_out(tm.load("ml-100k")))
    known = tm.UserBatch.known(model.dataset, np.arange(model.dataset.n_users))
    unseen_users = tm.UserBatch(np.full(len(known), -1), known.items, known.indptr)
    known_lists, unseen_lists = (
        model.score(batch).topk(10).indices for batch in (known, unseen_users)
    )
    assert (known_lists[:, :, None] == unseen_lists[:, None]).any(dim=2).float().mean() > 0.75
