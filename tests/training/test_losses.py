"""Losses against their definitions, one score at a time."""

import math

import pytest
import torch

from tastemaker.training.losses import (
    bce,
    bce_rows,
    bpr,
    bpr_rows,
    multinomial,
    sampled_softmax,
    sampled_softmax_rows,
)

SCORES = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_bce_takes_each_score_for_a_probability() -> None:
    first = -math.log(sigmoid(2)) - math.log(1 - sigmoid(-1)) - math.log(1 - sigmoid(0.5))
    second = -math.log(sigmoid(0)) - math.log(1 - sigmoid(3)) - math.log(1 - sigmoid(-2))
    assert bce_rows(SCORES).tolist() == pytest.approx([first, second], rel=1e-6)
    assert float(bce(SCORES)) == pytest.approx((first + second) / 6, rel=1e-6)


def test_bpr_compares_the_positive_with_each_negative() -> None:
    first = -math.log(sigmoid(2 + 1)) - math.log(sigmoid(2 - 0.5))
    second = -math.log(sigmoid(0 - 3)) - math.log(sigmoid(0 + 2))
    assert bpr_rows(SCORES).tolist() == pytest.approx([first, second], rel=1e-6)
    assert float(bpr(SCORES)) == pytest.approx((first + second) / 4, rel=1e-6)


def test_sampled_softmax_asks_for_the_positive_among_its_negatives() -> None:
    def row(positive: float, *negatives: float) -> float:
        return -math.log(math.exp(positive) / sum(map(math.exp, (positive, *negatives))))

    expected = [row(2, -1, 0.5), row(0, 3, -2)]
    assert sampled_softmax_rows(SCORES).tolist() == pytest.approx(expected, rel=1e-6)
    assert float(sampled_softmax(SCORES)) == pytest.approx(sum(expected) / 2, rel=1e-6)


@pytest.mark.parametrize("loss", [bce, bpr, sampled_softmax])
def test_a_weight_counts_a_positive_that_many_times(loss) -> None:
    weighted = loss(SCORES, torch.tensor([3.0, 1.0])) * 2
    repeated = loss(SCORES[[0, 0, 0, 1]]) * 4
    assert float(weighted) == pytest.approx(float(repeated), rel=1e-6)


@pytest.mark.parametrize("rows", [bce_rows, bpr_rows, sampled_softmax_rows])
def test_an_impossible_negative_has_no_loss_and_no_gradient(rows) -> None:
    scores = torch.tensor([[1.0, 0.3, -1e9]], requires_grad=True)
    loss = rows(scores)
    without = rows(torch.tensor([[1.0, 0.3]]))
    torch.testing.assert_close(loss.detach(), without)
    loss.backward()
    assert scores.grad[0, 2] == 0


def test_the_multinomial_of_one_item_is_softmax_over_the_whole_catalog() -> None:
    one = torch.tensor([[0.0, 0.0, 1.0]])
    expected = -math.log(math.exp(0.5) / (math.exp(2) + math.exp(-1) + math.exp(0.5)))
    assert multinomial(SCORES[:1], one).tolist() == pytest.approx([expected], rel=1e-6)
