"""Features in matrix factorization and EASE."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.errors import DataError
from tastemaker.testing.worlds import dataset_of, two_tastes

LOW, HIGH = range(20), range(20, 40)
NEW_LOW, NEW_HIGH = 100, 101


def world() -> tm.Dataset:
    """Two tastes, which brand and plan tell, with a new item of each taste."""
    ids = [*range(40), NEW_LOW, NEW_HIGH]
    brands = ["dull" if item < 20 or item == NEW_LOW else "loud" for item in ids]
    items = pl.DataFrame({"item_id": ids, "brand": brands})
    plans = ["free" if user % 2 == 0 else "paid" for user in range(60)]
    users = pl.DataFrame({"user_id": range(60), "plan": plans})
    return tm.read(
        two_tastes().to_frame(), items=items, users=users, user="user_id", item="item_id",
        time="timestamp", untouched_items=True,
    )  # fmt: skip


@pytest.fixture(scope="module", params=["softmax", "bpr"])
def mf(request: pytest.FixtureRequest) -> tm.MF:
    model = tm.MF(loss=request.param, features=True, embedding_size=8, epochs=15, seed=1)
    return model.fit(tm.no_holdout(world()))


def test_a_vector_of_mf_is_its_own_plus_those_of_the_features(mf: tm.MF) -> None:
    code = int(mf.dataset.item_vocabulary.encode([NEW_HIGH])[0])
    state = mf.state()
    loud = state["items.features.table.weight"][1]
    torch.testing.assert_close(mf.item_vectors[30], state["items.own.weight"][30] + loud)
    torch.testing.assert_close(mf.item_vectors[code], loud)
    expected = torch.cat([loud, state["biases.features.table.weight"][1], torch.ones(1)])
    torch.testing.assert_close(mf.new_item_keys([{"brand": "loud"}]).keys[0], expected)


def test_mf_knows_unseen_users_by_features_alone(mf: tm.MF) -> None:
    users = mf.unseen_users([[], []], [{"plan": "free"}, {"plan": "paid"}])
    assert not mf.is_cold(users).any()
    lists = mf.recommend(users, k=10).frame["item_id"].to_numpy().reshape(2, 10)
    assert set(lists[0]) <= {*LOW, NEW_LOW}
    assert set(lists[1]) <= {*HIGH, NEW_HIGH}


def test_mf_prefers_a_new_item_of_the_own_taste(mf: tm.MF) -> None:
    low, high = mf.dataset.item_vocabulary.encode([NEW_LOW, NEW_HIGH])
    scores = mf.score(mf.users(list(range(60))))
    likes_low = np.arange(60) % 2 == 0
    assert ((scores[:, low] > scores[:, high]).numpy() == likes_low).all()


def test_a_saved_mf_with_features_gives_the_same_lists(mf: tm.MF, tmp_path: Path) -> None:
    tm.save_run(tmp_path / "run", mf)
    opened = tm.open_run(tmp_path / "run").model
    users = [model.unseen_users([[], [25]], [{"plan": "free"}] * 2) for model in (mf, opened)]
    torch.testing.assert_close(opened.score(users[1]), mf.score(users[0]))


def test_without_features_mf_refuses_the_setting() -> None:
    bare = tm.no_holdout(dataset_of({0: [1, 2], 1: [2, 3]}))
    with pytest.raises(DataError, match=r"features=True reads .*items=…, users=…"):
        tm.MF(features=True).fit(bare)
    with pytest.raises(DataError, match=r"feature_weight reads .*items=…"):
        tm.EASE(feature_weight=1.0).fit(bare)


def test_ease_with_features_solves_the_equation_of_more_rows() -> None:
    data, weight, regularization = world(), 1.5, 20.0
    model = tm.EASE(regularization=regularization, feature_weight=weight)
    model.fit(tm.no_holdout(data))
    history = np.zeros((60, 42))
    history[data.users, data.items] = 1
    brands = data.catalog.frame["brand"].to_numpy()
    rows = np.concatenate([history, weight * (np.array([["dull"], ["loud"]]) == brands)])
    inverse = np.linalg.inv(rows.T @ rows + regularization * np.eye(42))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(model.item_vectors.numpy(), expected, atol=1e-5)


def test_ease_with_features_recommends_new_items_and_reads_them_in_histories(
    tmp_path: Path,
) -> None:
    model = tm.EASE(regularization=20.0, feature_weight=1.5).fit(tm.no_holdout(world()))
    low, high = model.dataset.item_vocabulary.encode([NEW_LOW, NEW_HIGH])
    scores = model.score(model.users(list(range(60))))
    assert ((scores[:, low] > scores[:, high]).numpy() == (np.arange(60) % 2 == 0)).all()
    users = model.unseen_users([[NEW_HIGH]])
    assert not model.is_cold(users).any()
    assert set(model.recommend(users, k=5).frame["item_id"]) <= set(HIGH)
    tm.save_run(tmp_path / "run", model)
    opened = tm.open_run(tmp_path / "run").model
    assert not opened.is_cold(opened.unseen_users([[NEW_HIGH]])).any()
