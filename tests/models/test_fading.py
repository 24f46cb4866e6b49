"""Models whose interactions count less the older they are."""

import numpy as np
import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.errors import DataError
from tastemaker.testing.worlds import drifting, two_tastes

MODELS = [
    tm.EASE(half_life_events=2.0),
    tm.ItemKNN(half_life_events=2.0),
    tm.GraphFilter(half_life_events=2.0),
    tm.IALS(half_life_events=2.0, embedding_size=8, regularization=1.0),
]


def weighted_by_age(half_life: float) -> tm.Dataset:
    """Two tastes, with the weights that interactions have after so many later ones."""
    frame = two_tastes().to_frame().sort("user_id", "timestamp")
    ages = pl.len().over("user_id") - 1 - pl.int_range(pl.len()).over("user_id")
    weighted = frame.with_columns(weight=0.5 ** (ages / half_life))
    return tm.read(weighted, weight="weight", weight_transform="none")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_it_equals_the_model_of_data_weighted_by_age(model: tm.Recommender) -> None:
    fading = model.fit(tm.no_holdout(two_tastes()))
    plain = type(model)(model.config.model_copy(update={"half_life_events": None})).fit(
        tm.no_holdout(weighted_by_age(2.0))
    )
    users = list(range(10))
    np.testing.assert_allclose(
        fading.score(fading.users(users)), plain.score(plain.users(users)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_latest_items_of_a_history_count_most(model: tm.Recommender) -> None:
    model.fit(tm.no_holdout(two_tastes()))
    low_last, high_last = model.score(model.unseen_users([[30, 31, 1, 2], [1, 2, 30, 31]]))
    assert low_last[:20].mean() > high_last[:20].mean()
    assert low_last[20:].mean() < high_last[20:].mean()


def test_reasons_are_those_of_the_faded_history() -> None:
    model = tm.EASE(half_life_events=1.0).fit(tm.no_holdout(two_tastes()))
    users = model.unseen_users([[3, 4, 5]])
    reasons = model.explain(users, [6], n=3).frame
    oldest = reasons.filter(pl.col("because_item_id") == 3)["contribution"].item()
    alone = model.explain(model.unseen_users([[3]]), [6], n=1).frame["contribution"].item()
    assert oldest == pytest.approx(alone / 4)


def test_reasons_in_lists_are_those_of_explain() -> None:
    model = tm.EASE().fit(tm.no_holdout(drifting()))
    assert model.half_life_events is not None, "else this test shows nothing"
    (listed,) = model.recommend([5], k=1, because=3).frame.iter_rows(named=True)
    explained = model.explain([5], [listed["item_id"]], n=3).frame
    found = {each["item_id"]: each["contribution"] for each in listed["because"]}
    expected = dict(explained.select("because_item_id", "contribution").iter_rows())
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_an_item_that_an_unseen_user_repeats_counts_once(model: tm.Recommender) -> None:
    model.fit(tm.no_holdout(two_tastes()))
    repeated, once = model.score(model.unseen_users([[1, 20, 20, 20], [1, 20]]))
    torch.testing.assert_close(repeated, once)


def test_weights_of_the_data_are_kept_beside_the_age() -> None:
    data = weighted_by_age(2.0)
    once = tm.EASE(half_life_events=4.0).fit(tm.no_holdout(data))
    # Two half-lives one after another: 2^(-a / 2) 2^(-a / 4) = 2^(-a / (4 / 3)).
    both = tm.EASE(half_life_events=4 / 3).fit(tm.no_holdout(two_tastes()))
    np.testing.assert_allclose(once.score(once.users([3])), both.score(both.users([3])), rtol=1e-4)


def test_data_without_times_are_refused() -> None:
    frame = pl.DataFrame({"user": ["ann", "ann", "bob"], "item": ["tea", "jam", "tea"]})
    model = tm.EASE(half_life_events=5)
    with pytest.raises(DataError, match="half_life_events is 5, but the data have no times"):
        model.fit(tm.no_holdout(tm.read(frame)))
