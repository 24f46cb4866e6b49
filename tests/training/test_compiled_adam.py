"""A compiled step of Adam is PyTorch's, and averages the parameters in the same pass."""

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from tastemaker.native.library import is_compiled
from tastemaker.training import optimizer as module
from tastemaker.training.averaging import WeightAverage
from tastemaker.training.config import TrainingConfig
from tastemaker.training.optimizer import adam

SHAPES = ((1,), (3, 5), (16, 16), (700, 190), (2**17,))
"""Of some parameters; the last two are large enough to be divided among threads."""


def trained(
    way: str,
    monkeypatch: pytest.MonkeyPatch,
    shapes: Sequence[tuple[int, ...]] = SHAPES,
    *,
    reopened: bool = False,
    **settings: object,
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Returns the parameters after some steps, and their averages.

    The second parameter has no gradient in every other step.
    """
    if way == "plain":
        monkeypatch.setattr(module, "_is_compiled_for", lambda parameter: False)
    torch.manual_seed(0)
    network = nn.ParameterList([torch.randn(shape) for shape in shapes])
    average = WeightAverage(network)
    config = TrainingConfig(epochs=1, learning_rate=0.01, **settings)
    optimizer = adam(network, config, average)
    for step in range(6):
        for i, parameter in enumerate(network):
            has_gradient = i != 1 or step % 2
            parameter.grad = torch.randn_like(parameter) if has_gradient else None
        optimizer.step()
        if reopened and step == 2:
            state = optimizer.state_dict()
            optimizer = adam(network, config, average)
            optimizer.load_state_dict(state)
    steps = [int(optimizer.state[parameter]["step"]) for parameter in network]
    assert steps == [6, 3, *[6] * (len(shapes) - 2)]
    return [each.detach() for each in network], list(average.values)


@pytest.mark.skipif(not is_compiled(), reason="there is no compiled code")
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_compiled_is_plain(
    n_threads: int, weight_decay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    compiled = trained("compiled", monkeypatch, weight_decay=weight_decay)
    plain = trained("plain", monkeypatch, weight_decay=weight_decay)
    for found, expected in zip(compiled, plain, strict=True):
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not is_compiled(), reason="there is no compiled code")
def test_a_state_that_is_loaded_continues_where_it_was_saved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unbroken = trained("compiled", monkeypatch)
    for found, expected in zip(
        trained("compiled", monkeypatch, reopened=True), unbroken, strict=True
    ):
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one, other)


@pytest.mark.skipif(not is_compiled(), reason="there is no compiled code")
def test_a_table_anywhere_in_memory_is_stepped_too() -> None:
    """Numbers that do not begin at the start of a vector cannot be written past the caches."""
    torch.manual_seed(0)
    memory = torch.randn(2**17 + 1)
    tables = nn.ParameterList([memory[1:], memory[1:].clone()])
    gradient = torch.randn(2**17)
    for table in tables:
        optimizer = adam(nn.ParameterList([table]), TrainingConfig(epochs=1))
        table.grad = gradient.clone()
        optimizer.step()
    assert torch.equal(tables[0], tables[1])


def test_lazy_steps_are_averaged_with_the_rows_that_they_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = nn.Embedding(4, 2)
    average = WeightAverage(table.parameters())
    optimizer = adam(table, TrainingConfig(epochs=1, lazy=True), average)
    before = table.weight.detach().clone()
    for _ in range(2):
        table.weight.grad = torch.tensor([[1.0, 1.0], [0.0, 0.0], [2.0, 1.0], [0.0, 0.0]])
        optimizer.step()
    assert torch.equal(average.values[0][1::2], before[1::2])
    assert not torch.equal(average.values[0][::2], before[::2])
