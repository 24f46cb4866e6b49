"""Adam with gradients of some rows of a table takes the steps that dense gradients give."""

import pytest
import torch
from torch import nn

from tastemaker.training.config import TrainingConfig
from tastemaker.training.optimizer import adam
from tastemaker.training.tables import rows_of

STEPS_OF_ROWS = [[0, 3, 3], [1, 3, 5], [], [5, 5, 5]]
"""The codes that a step reads, some of them repeatedly, and none of them in every step."""


def trained(config: TrainingConfig, read) -> nn.Embedding:
    """Returns a table after some steps, in each of which it is read twice."""
    torch.manual_seed(0)
    network = nn.Embedding(6, 2)
    optimizer = adam(network, config)
    for codes in (torch.tensor(step, dtype=torch.int64) for step in STEPS_OF_ROWS):
        optimizer.zero_grad()
        (
            read(network.weight, codes).pow(3).sum() + read(network.weight, codes[:1]).sum()
        ).backward()
        optimizer.step()
    return network


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps_by_rows_are_those_by_whole_gradients(lazy: bool, weight_decay: float) -> None:
    config = TrainingConfig(epochs=1, lazy=lazy, weight_decay=weight_decay, learning_rate=0.1)
    by_rows = trained(config, rows_of).weight
    dense = trained(config, lambda table, codes: table[codes]).weight
    torch.testing.assert_close(by_rows, dense)


def test_the_gradient_of_rows_holds_these_rows_alone() -> None:
    table = nn.Parameter(torch.ones(1000, 2))
    rows_of(table, torch.tensor([[7, 9]])).sum().backward()
    assert table.grad is not None
    assert table.grad.coalesce().indices().tolist() == [[7, 9]]
