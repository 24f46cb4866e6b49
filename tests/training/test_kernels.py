"""The fused softmax is the plain one, in value and in both gradients."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from tastemaker.training.kernels import softmax as kernel
from tastemaker.training.kernels.softmax import fused_softmax

ROWS = 4
"""Size of a block, where the constants of the kernel are shrunk."""


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "FEWEST_ROWS", ROWS)
    monkeypatch.setitem(kernel.SCORES_AT_ONCE, "cpu", 1)


def problem(m: int, n_items: int = 7, scale: float = 1.0) -> list[torch.Tensor]:
    """Queries, keys, targets, some of them the same, and weights."""
    random = torch.Generator().manual_seed(m)
    queries = scale * torch.randn(m, 3, generator=random, dtype=torch.float64)
    keys = torch.randn(n_items, 3, generator=random, dtype=torch.float64)
    targets = torch.randint(n_items, (m,), generator=random)
    weights = 3 * torch.rand(m, generator=random, dtype=torch.float64)
    return [queries.requires_grad_(), keys.requires_grad_(), targets, weights]


def plain_softmax(queries, keys, targets, weights=None) -> torch.Tensor:
    losses = cross_entropy(queries @ keys.T, targets, reduction="none")
    return losses.mean() if weights is None else (losses * weights).mean()


def value_and_gradients(loss, queries, keys, targets, weights) -> list[torch.Tensor]:
    # A factor behind the loss, as a sum of losses has it, must reach the gradients.
    value = 2.5 * loss(queries, keys, targets, weights)
    return [value.detach(), *torch.autograd.grad(value, [queries, keys])]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("m", [1, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS, 5 * ROWS + 1])
def test_fused_is_plain_for_any_number_of_rows(m: int, weighted: bool) -> None:
    queries, keys, targets, weights = problem(m)
    given = (queries, keys, targets, weights if weighted else None)
    plain, fused = (value_and_gradients(loss, *given) for loss in (plain_softmax, fused_softmax))
    for expected, found in zip(plain, fused, strict=True):
        torch.testing.assert_close(found, expected)


def test_fused_is_plain_in_blocks_of_the_usual_size() -> None:
    given = problem(100, n_items=20_000)
    assert kernel.SCORES_AT_ONCE["cpu"] // 20_000 < 100, "all rows are one block"
    plain, fused = (value_and_gradients(loss, *given) for loss in (plain_softmax, fused_softmax))
    for expected, found in zip(plain, fused, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.usefixtures("small_blocks")
def test_the_gradients_are_those_of_finite_differences() -> None:
    queries, keys, targets, weights = problem(ROWS + 2)
    assert torch.autograd.gradcheck(
        lambda q, k: fused_softmax(q, k, targets, weights), (queries, keys)
    )


@pytest.mark.usefixtures("small_blocks")
def test_scores_too_large_for_an_exponential_do_no_harm() -> None:
    given = problem(ROWS + 1, scale=1e4)
    plain, fused = (value_and_gradients(loss, *given) for loss in (plain_softmax, fused_softmax))
    for expected, found in zip(plain, fused, strict=True):
        assert found.isfinite().all()
        torch.testing.assert_close(found, expected)


def test_inputs_are_not_modified() -> None:
    given = problem(5)
    before = [tensor.detach().clone() for tensor in given]
    value_and_gradients(fused_softmax, *given)
    assert all(torch.equal(old, new) for old, new in zip(before, given, strict=True))
