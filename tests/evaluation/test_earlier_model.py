"""Evaluation of an earlier model on later data."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.fresh import newest_held_out
from tastemaker.evaluation.earlier_model import evaluate_earlier
from tastemaker.testing.worlds import two_tastes


def test_an_earlier_model_gets_the_features_of_users_who_came_later() -> None:
    log = two_tastes(n_users=80).to_frame()
    plans = {"user_id": range(80), "plan": ["free", "paid"] * 40}
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    later = tm.read(log, users=pl.DataFrame(plans), **columns)
    earlier = tm.read(
        log.filter(pl.col("user_id") < 60), users=pl.DataFrame(plans).head(60), **columns
    )
    model = tm.MF(features=True, epochs=10, embedding_size=8, seed=1).fit(tm.no_holdout(earlier))
    split = newest_held_out(later, earlier, 1.0, 1_000)
    assert set(later.user_vocabulary.ids[split.test.users]) == set(range(60, 80))
    without = replace(split, train=replace(split.train, user_table=None))
    with_features, by_popularity = (
        evaluate_earlier(model, each).metrics["recall@10"] for each in (split, without)
    )
    assert with_features > 1.5 * by_popularity


@pytest.mark.parametrize(
    "model",
    [
        tm.EASE(regularization=2.0),
        tm.SASRec(epochs=1, embedding_size=8, layers=1, batch_size=16, event_input=True),
    ],
    ids=lambda model: model.name,
)
def test_the_weights_and_kinds_of_the_histories_count(model: tm.Recommender) -> None:
    random = np.random.default_rng(0)
    log = two_tastes(n_users=40).to_frame()
    kinds = pl.Series("event", random.choice(["view", "cart", "buy"], log.height))
    data = tm.read(
        log.with_columns(kinds), user="user_id", item="item_id", time="timestamp", event="event",
        event_weights={"view": 1, "cart": 3, "buy": 9},
    )  # fmt: skip
    split = tm.leave_one_out(data, validation=False)
    model.fit(split)
    same = tm.evaluate(model, split, tm.FullRanking(), baseline=False)
    assert evaluate_earlier(model, split).per_user["ndcg@10"] == pytest.approx(
        same.per_user["ndcg@10"]
    )
