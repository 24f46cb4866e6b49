"""Ranks in a whole catalog, against a plain count."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.data.users import UserBatch
from tastemaker.native.library import is_compiled
from tastemaker.ranking.ranks import ITEMS_AT_ONCE, ROWS_AT_ONCE, rank_by_keys, rank_in_catalog

N_ITEMS = 6
SCORES = st.lists(
    st.sampled_from([-1.0, 0.0, 0.5, math.nan]), min_size=N_ITEMS, max_size=N_ITEMS
)  # few different values, so that ties are common
ITEMS = st.sets(st.integers(0, N_ITEMS - 1), max_size=3)


def plain_rank(scores: list[float], target: int, not_ranked: set[int]) -> int:
    others = [scores[item] for item in range(N_ITEMS) if item not in not_ranked]
    return 1 + sum(not other < scores[target] for other in others)


@given(st.lists(st.tuples(SCORES, ITEMS, ITEMS), min_size=1, max_size=5))
def test_everything_is_ranked_but_what_was_touched_and_the_other_targets(people) -> None:
    scores = torch.tensor([row for row, _, _ in people])
    users = UserBatch.unseen_users([sorted(seen) for _, seen, _ in people])
    wanted = [(row, target) for row, (_, _, targets) in enumerate(people) for target in targets]
    owner = np.array([row for row, _ in wanted], dtype=np.int64)
    targets = np.array([target for _, target in wanted], dtype=np.int64)
    expected = [
        plain_rank(people[row][0], target, people[row][1] | people[row][2])
        for row, target in wanted
    ]
    assert rank_in_catalog(scores, users, owner, targets).tolist() == expected


def test_one_target_each_needs_no_copy_and_gives_the_same() -> None:
    scores = torch.tensor([[3.0, 2.0, 2.0, 1.0], [0.0, 5.0, 4.0, 4.0]])
    users = UserBatch.unseen_users([[0], [2]])
    ranks = rank_in_catalog(scores, users, np.array([0, 1]), np.array([1, 3]))
    assert ranks.tolist() == [2, 2]


WAYS = pytest.mark.parametrize("way", ["compiled", "plain"])


@contextmanager
def counting(way: str) -> Iterator[None]:
    """Counts by compiled code, or without it."""
    if way == "compiled" and not is_compiled():
        pytest.skip("compiled on installing, where there is a compiler")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tastemaker.ranking.ranks.is_compiled", lambda: way == "compiled")
        yield


@WAYS
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 3, ROWS_AT_ONCE + 1]),
    st.sampled_from([2, 7, ITEMS_AT_ONCE - 1, ITEMS_AT_ONCE + 5]),
)
def test_tiles_count_as_a_whole_product_does(
    way: str, seed: int, n_users: int, n_items: int
) -> None:
    random = np.random.default_rng(seed)
    # Few different whole numbers: products are exact, and ties common.
    keys = torch.from_numpy(random.integers(-2, 3, (n_items, 4))).float()
    queries = torch.from_numpy(random.integers(-2, 3, (n_users, 4))).float()
    users = UserBatch.unseen_users(
        [np.unique(random.integers(0, n_items, 5)) for _ in range(n_users)]
    )
    owner = np.sort(random.integers(0, n_users, n_users + 2))
    targets = random.integers(0, n_items, len(owner))
    with counting(way):
        ranks, scores = rank_by_keys(keys, queries, users, owner, targets)
    whole = queries @ keys.T
    assert torch.equal(ranks, rank_in_catalog(whole, users, owner, targets))
    assert torch.equal(scores, whole[torch.from_numpy(owner), torch.from_numpy(targets)])


@WAYS
def test_items_of_the_same_key_are_tied_wherever_they_are(way: str) -> None:
    # To the last bit, whichever form of the product their places in the catalog get.
    key, query = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    keys, users = key.expand(2 * ITEMS_AT_ONCE + 37, 50), UserBatch.unseen_users([[]] * 19)
    targets = np.arange(19) * 50
    with counting(way):
        ranks, _ = rank_by_keys(keys, query.expand(19, 50), users, np.arange(19), targets)
    assert ranks.tolist() == [len(keys)] * 19


@WAYS
def test_a_score_that_is_no_number_stands_above_in_tiles_too(way: str) -> None:
    keys = torch.tensor([[1.0], [math.nan], [2.0], [0.5]])
    users = UserBatch.unseen_users([[], []])
    with counting(way):
        ranks, _ = rank_by_keys(keys, torch.ones(2, 1), users, np.array([0, 1]), np.array([0, 1]))
    assert ranks.tolist() == [3, 4]
