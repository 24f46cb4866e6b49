"""The average of the weights over the last steps."""

import math

import pytest
import torch

import tastemaker as tm
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.averaging import EMPHASIS, WeightAverage

pytestmark = pytest.mark.usefixtures("without_gpu")


def test_later_steps_count_more_by_the_weights_of_the_paper() -> None:
    parameter = torch.nn.Parameter(torch.zeros(3))
    average, steps = WeightAverage([parameter]), torch.randn(20, 3).double()
    for step, values in enumerate(steps, start=1):
        parameter.data.copy_(values)
        average.update(step)
    weights = torch.tensor(
        [math.prod(step + i for i in range(EMPHASIS)) for step in range(1, 21)]
    ).double()
    expected = weights @ steps / weights.sum()
    torch.testing.assert_close(average.values[0].double(), expected, atol=1e-5, rtol=1e-5)


def test_averaging_changes_what_is_kept_but_not_the_training() -> None:
    split = tm.no_holdout(two_tastes())  # so that the last epoch is kept

    def trained(averaging: bool) -> tm.SASRec:
        model = tm.SASRec(epochs=3, embedding_size=8, averaging=averaging)
        model.fit(split)
        return model

    averaged, last = trained(True), trained(False)
    losses = [[record["loss"] for record in model.log.records] for model in (averaged, last)]
    assert losses[0] == losses[1]
    assert not torch.equal(averaged.item_vectors, last.item_vectors)
