"""Rejected items are negatives of the user more often, in plain and in compiled training."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.batches import PairBatches
from tastemaker.training.run import TrainingRun

pytestmark = pytest.mark.usefixtures("without_gpu")


def with_rejections(rejected: dict[int, list[int]]) -> tm.Dataset:
    """Two tastes, with an event of the kind no for each of these pairs of user and item."""
    likes = two_tastes().to_frame().select("user_id", "item_id", "timestamp")
    noes = pl.DataFrame(
        [(user, item, 1_000_000) for user, items in rejected.items() for item in items],
        schema=likes.schema,
        orient="row",
    )
    log = pl.concat([likes.with_columns(kind=pl.lit("like")), noes.with_columns(kind=pl.lit("no"))])
    return tm.no_holdout(tm.read(log, event="kind", negative=["no"])).train


def negatives_of(data: tm.Dataset, user: int, n_epochs: int = 200) -> torch.Tensor:
    batches = PairBatches(data, batch_size=1_000, negatives=4, seed=0, device=torch.device("cpu"))
    epochs = [batch for number in range(n_epochs) for batch in batches.epoch(number)]
    return torch.cat([batch.items[batch.users == user, 1:].flatten() for batch in epochs])


def untouched(data: tm.Dataset, user: int) -> np.ndarray:
    return np.setdiff1d(np.arange(data.n_items), data.history(user))


def test_a_rejected_item_is_drawn_about_as_often_as_one_positive_has_negatives() -> None:
    data = with_rejections({0: [int(two_tastes().history(0)[0])]})
    (item,), (user,) = data.rejected.items, data.rejected.users
    drawn = negatives_of(data, user)
    expected = 1 / (1 + data.user_counts[user])
    by_chance = (1 - expected) / len(untouched(data, user))
    assert (drawn == item).float().mean() == pytest.approx(expected + by_chance, rel=0.1)


def test_at_most_half_of_the_negatives_are_rejected_items() -> None:
    others = untouched(two_tastes(), 0)
    data = with_rejections({0: others[:-2].tolist()})
    drawn = negatives_of(data, 0)
    kept = np.isin(drawn, others[-2:]).mean()
    assert kept == pytest.approx(0.5 * 2 / len(others), rel=0.2)


def test_negatives_of_users_who_rejected_nothing_stay_uniform() -> None:
    data = with_rejections({0: untouched(two_tastes(), 0).tolist()})
    drawn = negatives_of(data, 1)
    counts = np.bincount(drawn, minlength=data.n_items)[untouched(data, 1)]
    mean = counts.mean()
    # Pearson's statistic is below its mean plus five standard deviations.
    degrees = len(counts) - 1
    assert ((counts - mean) ** 2 / mean).sum() < degrees + 5 * np.sqrt(2 * degrees)
    assert counts.sum() == len(drawn)


def test_the_score_of_a_rejected_item_falls_for_its_user() -> None:
    world = two_tastes()
    rejected = {user: [int(world.history(user)[0])] for user in range(0, world.n_users, 4)}
    data = with_rejections(rejected)
    scores = {}
    for name, train in (("with", data), ("without", replace(data, rejected=None))):
        fitted = tm.MF(loss="bce", epochs=20, learning_rate=0.01).fit(tm.no_holdout(train))
        all_scores = fitted.score(fitted.users(world.user_vocabulary.ids.to_list()))
        scores[name] = all_scores - all_scores.mean(dim=1, keepdim=True)
    users, items = data.rejected.users, data.rejected.items
    fall = (scores["without"] - scores["with"]).numpy()
    assert fall[users, items].mean() > 0.5
    others = np.setdiff1d(np.arange(world.n_users), users)
    assert abs(fall[others][:, items].mean()) < fall[users, items].mean() / 5


def test_compiled_training_agrees_with_the_plain_form() -> None:
    split = tm.no_holdout(with_rejections({0: [3, 4], 1: [5]}))
    states = [
        tm.NCF(epochs=3).fit(split, TrainingRun(fused=fused)).state() for fused in (True, False)
    ]
    for name, tensor in states[0].items():
        torch.testing.assert_close(tensor, states[1][name], rtol=1e-3, atol=1e-4)
