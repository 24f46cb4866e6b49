"""Ranks among other items, ties and things that are not numbers included."""

import math

import torch

from tastemaker.ranking.ranks import rank_among


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
