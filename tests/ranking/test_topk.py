"""The best k: in compiled code, by groups and plainly, with ties and what is not a number."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tastemaker.data.users import UserBatch
from tastemaker.ranking.exclusion import Exclusion
from tastemaker.ranking.topk import (
    GROUP,
    TopItems,
    merged,
    plain_top_k,
    top_k,
    top_k_by_groups,
)

# Few different values, so that ties are common.
VALUES = st.sampled_from([-math.inf, -2.0, -1.0, -0.0, 0.0, 0.5, 2.0])
ROWS = st.lists(VALUES, min_size=1, max_size=12)
MATRICES = st.tuples(st.integers(1, 4), st.integers(4 * GROUP, 9 * GROUP)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=VALUES.map(np.float32))
)


def assert_same(one: TopItems, other: TopItems) -> None:
    assert torch.equal(one.lengths, other.lengths)
    assert torch.equal(one.scores, other.scores)
    real = torch.arange(one.items.shape[1]) < one.lengths[:, None]
    assert torch.equal(one.items[real], other.items[real])


@given(ROWS, st.integers(1, 14))
def test_the_plain_top_k_are_those_of_a_sort_with_ties_by_code(row: list[float], k: int) -> None:
    items, scores, lengths = plain_top_k(torch.tensor([row]), k)
    allowed = [item for item in range(len(row)) if row[item] > -math.inf]
    expected = sorted(allowed, key=lambda item: (-row[item], item))[:k]
    length = int(lengths[0])
    assert items[0, :length].tolist() == expected
    assert scores[0, :length].tolist() == [row[item] for item in expected]


@given(MATRICES, st.integers(1, 4))
def test_the_selection_by_groups_gives_what_the_plain_one_gives(matrix: np.ndarray, k: int) -> None:
    scores = torch.from_numpy(matrix)
    expected = plain_top_k(scores, k)
    assert_same(top_k_by_groups(scores, k), expected)
    by_item = scores.T.contiguous().T
    assert_same(top_k_by_groups(by_item, k), expected)
    in_bfloat16 = top_k_by_groups(scores.bfloat16(), k)
    assert_same(in_bfloat16._replace(scores=in_bfloat16.scores.float()), expected)


@given(MATRICES, st.integers(1, 300), st.integers(0, 5), st.booleans(), st.booleans())
def test_what_is_excluded_counts_as_minus_infinity_and_the_scores_stay_as_they_are(
    matrix: np.ndarray, k: int, seed: int, some_ineligible: bool, by_item: bool
) -> None:
    scores, random = torch.from_numpy(matrix.copy()), np.random.default_rng(seed)
    n, n_items = scores.shape
    seen = UserBatch.unseen_users(
        [random.choice(n_items, random.integers(n_items + 1)) for _ in range(n)]
    )
    eligible = torch.from_numpy(random.random(n_items) < 0.5) if some_ineligible else None
    exclusion = Exclusion(seen, eligible)
    expected = plain_top_k(exclusion.apply(scores.clone()), k)
    given = scores.T.contiguous().T if by_item else scores
    assert_same(top_k(given, k, exclusion), expected)
    assert (scores.numpy() == matrix).all()


def test_histories_of_smaller_integers_and_masks_of_another_length_read_no_other_memory() -> None:
    scores = torch.arange(200, dtype=torch.float32)[None]
    seen = UserBatch(
        np.array([-1]), np.array([199, 197], dtype=np.int32), np.array([0, 2], dtype=np.int32)
    )
    assert top_k(scores, 3, Exclusion(seen)).items.tolist() == [[198, 196, 195]]
    with pytest.raises(IndexError):
        top_k(scores, 3, Exclusion(None, torch.ones(100, dtype=torch.bool)))


def test_fewer_than_k_remaining_items_are_found_in_any_group() -> None:
    scores = torch.full((3, 10 * GROUP + 5), -math.inf)
    scores[0, [3, GROUP, 10 * GROUP + 4]] = 1.0
    scores[1, 10 * GROUP + 1] = 0.0
    top = top_k_by_groups(scores, 4)
    assert top.lengths.tolist() == [3, 1, 0]
    assert top.items[0, :3].tolist() == [3, GROUP, 10 * GROUP + 4]
    assert top.items[1, 0] == 10 * GROUP + 1


def test_a_score_that_is_not_a_number_is_not_recommended() -> None:
    scores = torch.zeros(1, 10 * GROUP)
    scores[0, :3] = math.nan
    scores[0, 7] = 1.0
    for select in (top_k, top_k_by_groups, plain_top_k):
        assert select(scores, 3).items.tolist() == [[7, 3, 4]]
        assert select(scores[:, :4], 4).lengths.tolist() == [1]


def test_no_users_get_no_lists() -> None:
    assert top_k(torch.zeros(0, 10 * GROUP), 3).items.shape == (0, 3)


def test_two_answers_merge_row_by_row() -> None:
    scores = torch.rand(5, 20, generator=torch.Generator().manual_seed(0))
    whole, where = top_k(scores, 3), np.array([True, False, False, True, True])
    again = merged(whole.at(where), whole.at(~where), where)
    assert_same(again, whole)
