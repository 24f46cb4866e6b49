"""Top lists and ranks, ties and things that are not numbers included."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.ranking.ranks import rank_among
from tastemaker.ranking.topk import top_k

# Few different values, so that ties are common.
ROWS = st.lists(st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 2.0]), min_size=1, max_size=12)


@given(ROWS, st.integers(1, 14))
def test_the_top_k_are_those_of_a_plain_sort_with_ties_by_code(row: list[float], k: int) -> None:
    items, scores, lengths = top_k(torch.tensor([row]), k)
    allowed = [item for item in range(len(row)) if row[item] > -math.inf]
    expected = sorted(allowed, key=lambda item: (-row[item], item))[:k]
    length = int(lengths[0])
    assert items[0, :length].tolist() == expected
    assert scores[0, :length].tolist() == [row[item] for item in expected]


def test_a_tie_counts_against_the_model() -> None:
    others = torch.tensor([[1.0, 2.0, 3.0], [2.0, 2.0, 2.0], [0.0, 0.0, 0.0]])
    everything = torch.ones_like(others, dtype=torch.bool)
    assert rank_among(torch.tensor([2.0, 2.0, 2.0]), others, everything).tolist() == [3, 4, 1]


def test_a_score_that_is_not_a_number_gains_nothing() -> None:
    nan, inf = math.nan, math.inf
    everything = torch.ones(3, 2, dtype=torch.bool)
    others = torch.tensor([[0.0, 0.0], [nan, 0.0], [-inf, -inf]])
    assert rank_among(torch.tensor([nan, 1.0, -inf]), others, everything).tolist() == [3, 2, 3]


def test_items_that_do_not_count_are_left_out() -> None:
    counts = torch.tensor([[False, True, True]])
    assert rank_among(torch.tensor([1.0]), torch.tensor([[9.0, 9.0, 0.0]]), counts).item() == 2
