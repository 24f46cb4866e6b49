"""Random: no order but the one that seed and user give."""

import numpy as np
import pytest
import torch

import tastemaker as tm
from tastemaker.models.random import Random, _hash
from tastemaker.testing.worlds import two_tastes


def fitted(seed: int = 0) -> Random:
    return Random(seed=seed).fit(tm.no_holdout(two_tastes()))


def test_the_hash_is_the_published_splitmix64() -> None:
    # First outputs of SplitMix64 seeded with 0 and with 1234567, from its reference code.
    assert _hash(np.array([0, 1234567], dtype=np.uint64)).tolist() == [
        16294208416658607535,
        6457827717110365317,
    ]


def test_users_unseen_users_and_seeds_each_have_an_order_of_their_own() -> None:
    model = fitted()
    unseen_users = model.unseen_users([[1], [2], [1, 2]])
    scores = torch.cat([model.score(model.users([0, 1])), model.score(unseen_users)])
    other_seed = fitted(seed=1).score(model.users([0]))
    orders = torch.cat([scores, other_seed]).argsort(dim=1)
    assert len(torch.unique(orders, dim=0)) == 6


def test_an_unseen_user_is_known_by_the_items_whatever_their_order() -> None:
    model = fitted()
    scores = model.score(model.unseen_users([[3, 7, 1], [1, 3, 7]]))
    assert torch.equal(scores[0], scores[1])


def test_a_user_without_a_history_has_an_order_too() -> None:
    lists = [fitted(seed).recommend(fitted(seed).unseen_users([[]]), k=40) for seed in (0, 1)]
    one, other = (each.frame["item_id"].to_list() for each in lists)
    assert sorted(one) == sorted(other) == list(range(40))
    assert one != other


def test_a_known_user_keeps_the_order_as_the_history_grows() -> None:
    model = fitted()
    grown = tm.UserBatch(np.array([0]), np.array([0, 1, 2]), np.array([0, 3]))
    assert torch.equal(model.score(grown), model.score(model.users([0])))


def test_scores_are_spread_evenly_between_zero_and_one() -> None:
    model = fitted()
    scores = model.score(model.users(list(range(60)))).flatten()
    assert scores.min() >= 0
    assert scores.max() < 1
    # 2,400 draws: a tenth of the range holds 240 ± 15 of them.
    assert torch.histc(scores, 10, 0, 1).numpy() == pytest.approx(240, abs=60)


def test_it_finds_what_chance_finds() -> None:
    split = tm.leave_one_out(two_tastes(n_users=600, length=12))
    result = tm.evaluate(Random().fit(split), protocol=tm.FullRanking())
    # 10 of the 29 items that were not touched by then; one deviation is 0.02.
    assert result.metrics["hit_rate@10"] == pytest.approx(10 / 29, abs=0.06)
