"""Features of users and of new items in the models that read them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.users import UserBatch
from tastemaker.errors import ConfigError, DataError
from tastemaker.models.recommender import Recommender
from tastemaker.testing.worlds import two_tastes

LOW, HIGH = range(20), range(20, 40)


def world() -> tm.Dataset:
    """Even users like items below 20, odd ones the others; a brand and a price tell the tastes."""
    data = two_tastes()
    items = pl.DataFrame(
        {
            "item_id": range(40),
            "brand": ["dull" if item < 20 else "loud" for item in range(40)],
            "price": [float(item % 7) + (0 if item < 20 else 50) for item in range(40)],
        }
    )
    users = pl.DataFrame(
        {
            "user_id": range(60),
            "plan": ["free" if user % 2 == 0 else "paid" for user in range(60)],
            "age": [30.0 + user % 3 for user in range(60)],
        }
    )
    log = data.to_frame()
    return tm.read(log, items=items, users=users, user="user_id", item="item_id", time="timestamp")


SMALL = {"epochs": 10, "batch_size": 16, "embedding_size": 16, "learning_rate": 1e-2, "seed": 1}
MODELS = {
    "two_tower": tm.TwoTower(**SMALL, hidden=16),
    "sasrec": tm.SASRec(**SMALL, features=True, user_features=True),
    "gru4rec": tm.GRU4Rec(**SMALL, features=True, user_features=True),
    "hstu": tm.HSTU(**SMALL, features=True, user_features=True),
}


@pytest.fixture(scope="module", params=list(MODELS))
def fitted(request: pytest.FixtureRequest) -> Recommender:
    return MODELS[request.param].fit(tm.no_holdout(world()))


def test_an_unseen_user_without_a_history_is_known_by_features(fitted: Recommender) -> None:
    features = [{"plan": "free"}, {"plan": "paid", "age": 31}, {"plan": None}, None]
    users = fitted.unseen_users([[]] * 4, features)
    assert fitted.is_cold(users).tolist() == [False, False, True, True]
    lists = fitted.recommend(users, k=10).frame["item_id"].to_numpy().reshape(4, 10)
    assert set(lists[0]) <= set(LOW)
    assert set(lists[1]) <= set(HIGH)


def test_a_history_and_features_count_together(fitted: Recommender) -> None:
    one_by_one = [fitted.unseen_users([[3]], [row]) for row in ({"plan": "free"}, {"plan": "paid"})]
    both = fitted.unseen_users([[3], [3]], [{"plan": "free"}, {"plan": "paid"}])
    scores = fitted.score(both)
    assert not np.allclose(scores[0], scores[1])
    for row, users in enumerate(one_by_one):
        np.testing.assert_allclose(fitted.score(users)[0], scores[row], rtol=1e-4, atol=1e-5)


def test_a_known_user_has_the_features_of_the_table(fitted: Recommender) -> None:
    known = fitted.users([4])
    twin = UserBatch(
        np.array([-1]), known.items, known.indptr, known.timestamps,
        features=[{"plan": "free", "age": 31.0}],
    )  # fmt: skip
    np.testing.assert_allclose(fitted.score(known), fitted.score(twin), rtol=1e-4, atol=1e-5)


def test_changed_features_of_a_trained_user_count_in_a_factorization() -> None:
    model = tm.MF(**SMALL, features=True).fit(tm.no_holdout(world()))
    known = model.users([4])
    without_history = UserBatch(known.codes, known.items[:0], np.zeros(2, dtype=np.int64))
    of_table, changed = {"plan": "free", "age": 31.0}, {"plan": "paid", "age": 31.0}
    unseen = model.score(model.unseen_users([[], []], [of_table, changed]))
    difference = unseen[1] - unseen[0]
    assert difference.std() > 0.1
    for users in (known, without_history):
        score = model.score(users)
        same, other = (model.score(replace(users, features=[row])) for row in (of_table, changed))
        np.testing.assert_allclose(same, score, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(other, score + difference, rtol=1e-3, atol=1e-3)


def test_a_new_item_with_the_right_features_beats_one_with_the_wrong_ones(
    fitted: Recommender,
) -> None:
    rows = [{"brand": "dull", "price": 3}, {"brand": "loud", "price": 53}, {"brand": "new"}]
    new = fitted.new_item_keys(rows)
    assert new.known.tolist() == [True, True, False]
    scores = fitted.queries(fitted.users(list(range(60)))) @ new.keys.T
    likes_low = np.arange(60) % 2 == 0
    assert ((scores[:, 0] > scores[:, 1]).numpy() == likes_low).all()
    with pytest.raises(ConfigError, match="feature \"price\": '3' is not a number"):
        fitted.new_item_keys([{"price": "3"}])


def test_a_saved_run_reads_features_as_in_training(fitted: Recommender, tmp_path: Path) -> None:
    tm.save_run(tmp_path / "run", fitted)
    opened = tm.open_run(tmp_path / "run").model
    assert opened.encoders.items.state() == fitted.encoders.items.state()
    users = [model.unseen_users([[], [25]], [{"plan": "free"}] * 2) for model in (fitted, opened)]
    assert (fitted.score(users[0]) == opened.score(users[1])).all()
    rows = [{"brand": "dull", "price": 3}]
    assert (opened.new_item_keys(rows).keys == fitted.new_item_keys(rows).keys).all()


def test_values_keep_their_vectors_in_a_warm_start() -> None:
    data = world()
    earlier = tm.TwoTower(**SMALL | {"epochs": 1}).fit(tm.no_holdout(data))
    renamed = data.catalog.frame.with_columns(
        brand=pl.when(pl.col("item_id") == 7).then(pl.lit("another")).otherwise("brand")
    )
    later = data.with_catalog(tm.Catalog(renamed, kinds=data.catalog.features))
    model = tm.TwoTower(**SMALL | {"epochs": 1, "learning_rate": 1e-9})
    model.fit(tm.no_holdout(later), start_from=earlier)
    tables = [each.network.features for each in (earlier, model)]
    assert [part.encoder.columns["brand"].values for part in tables] == [
        ["dull", "loud"], ["another", "dull", "loud"],
    ]  # fmt: skip
    np.testing.assert_allclose(
        model.network.features.table.weight[1:], earlier.network.features.table.weight, atol=1e-6
    )


def test_data_without_features_are_refused() -> None:
    bare = tm.no_holdout(two_tastes().with_catalog(tm.Catalog(pl.DataFrame({"item_id": [1]}))))
    with pytest.raises(DataError, match=r"user_features=True reads .*give a table of users"):
        tm.SASRec(user_features=True).fit(bare)
    with pytest.raises(DataError, match=r"features=True reads .*give a table of items"):
        tm.SASRec(features=True).fit(bare)
    tm.TwoTower(epochs=1).fit(tm.no_holdout(two_tastes()))


def test_unseen_users_with_a_misspelt_feature_are_refused() -> None:
    model = tm.Popularity().fit(tm.no_holdout(world()))
    with pytest.raises(ConfigError, match='no feature "pln"; did you mean "plan"'):
        model.unseen_users([[1]], [{"pln": "free"}])
    with pytest.raises(ConfigError, match="there are 1 histories and 2 features"):
        model.unseen_users([[1]], [None, None])
