"""Dropout drops its fraction, and the gradient of what it dropped."""

import pytest
import torch

from tastemaker.native.library import is_compiled
from tastemaker.training.kernels import dropout as kernel
from tastemaker.training.kernels.dropout import Dropout


@pytest.fixture(params=["compiled", "plain"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "compiled" and not is_compiled():
        pytest.skip("there is no compiled code")
    monkeypatch.setattr(kernel, "is_compiled", lambda: request.param == "compiled")


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_fraction_is_dropped_and_the_rest_makes_up_for_it(p: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(300, 1001)
    dropped = Dropout(p)(x)
    is_kept = dropped > 0
    assert abs(is_kept.float().mean() - (1 - p)) < 0.004
    assert is_kept.float().mean(dim=0).std() < 0.04, "some columns are dropped more often"
    torch.testing.assert_close(dropped.mean(), x.mean(), rtol=0.02, atol=0)
    assert len(dropped[is_kept].unique()) == 1


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (5, 7, 11), (20_000,)])
def test_the_gradient_is_dropped_where_the_value_is(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    x = torch.rand(shape).add_(1).requires_grad_()
    dropped, weights = Dropout(0.3)(x), torch.rand(shape) + 1
    assert dropped.shape == x.shape
    (gradient,) = torch.autograd.grad((dropped * weights).sum(), x)
    torch.testing.assert_close(gradient, dropped.detach() / x.detach() * weights)


def test_a_seed_repeats_what_is_dropped_and_each_call_drops_anew() -> None:
    x, layer = torch.ones(1000), Dropout(0.5)
    torch.manual_seed(2)
    one, other = layer(x), layer(x)
    assert 400 < int((one != other).sum()) < 600
    torch.manual_seed(2)
    assert torch.equal(layer(x), one)


def test_a_view_is_read_in_its_own_order() -> None:
    x, layer = torch.arange(1.0, 61).view(5, 12), Dropout(0.5)
    torch.manual_seed(3)
    dropped = layer(x.T)
    torch.manual_seed(3)
    assert torch.equal(dropped, layer(x.T.contiguous()))


def test_nothing_is_dropped_in_use_or_with_a_probability_of_zero() -> None:
    x = torch.rand(100)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
