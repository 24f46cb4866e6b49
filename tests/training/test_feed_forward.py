"""The feed-forward of a block is its layers one after another, in value and in all gradients."""

import pytest
import torch

from tastemaker.native.library import is_compiled
from tastemaker.training.kernels import feed_forward as kernel
from tastemaker.training.kernels.feed_forward import FeedForward
from tests.training.gradients import value_and_gradients


@pytest.fixture(params=["compiled", "plain"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "compiled" and not is_compiled():
        pytest.skip("there is no compiled code")
    monkeypatch.setattr(kernel, "is_fast", lambda x: request.param == "compiled")
    return request.param


@pytest.mark.skipif(not is_compiled(), reason="there is no compiled code")
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize(
    ("shape", "hidden"),
    [((1, 1), 1), ((0, 3), 2), ((7, 50), 50), ((3, 65, 16), 64), ((700, 33), 100)],
)
def test_compiled_is_plain(
    shape: tuple[int, ...], hidden: int, n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    torch.manual_seed(0)
    x, layer = torch.randn(shape, requires_grad=True), FeedForward(shape[-1], hidden, 0.0)

    def apply(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        return layer(x)

    monkeypatch.setattr(kernel, "is_fast", lambda x: True)
    found = value_and_gradients(apply, x, *layer.parameters())
    monkeypatch.setattr(kernel, "is_fast", lambda x: False)
    for one, other in zip(found, value_and_gradients(apply, x, *layer.parameters()), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_the_gradients_are_those_of_what_was_not_dropped(way: str) -> None:
    """For one draw, the result is linear around a point, so differences give its slope."""
    torch.manual_seed(0)
    x, layer = torch.randn(200, 24, requires_grad=True), FeedForward(24, 40, 0.3)
    weights = torch.randn(200, 24)

    def loss_of_one_draw() -> torch.Tensor:
        torch.manual_seed(1)
        return (layer(x).double() * weights).sum()

    places = [x, *layer.parameters()]
    gradients = torch.autograd.grad(loss_of_one_draw(), places)
    for place, gradient in zip(places, gradients, strict=True):
        step = 1e-4 * torch.randn_like(place)
        with torch.no_grad():
            place += step
            above = loss_of_one_draw()
            place -= 2 * step
            below = loss_of_one_draw()
            place += step
        slope = (gradient * step).sum().double()
        torch.testing.assert_close((above - below) / 2, slope, rtol=0.02, atol=2e-4)


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_a_fraction_is_dropped_at_both_places(way: str, p: float) -> None:
    torch.manual_seed(0)
    layer, x = FeedForward(8, 600, p), torch.zeros(400, 8)
    first, _, _, second, _ = layer
    torch.nn.init.zeros_(first.weight)
    torch.nn.init.ones_(first.bias)
    torch.nn.init.constant_(second.weight, 1 / 600)
    torch.nn.init.zeros_(second.bias)
    values = layer(x)  # the mean of what is left of 600 ones, unless it is dropped itself
    is_kept = values > 0
    assert abs(is_kept.float().mean() - (1 - p)) < 0.04
    left = values[is_kept] * (1 - p)
    assert abs(left.mean() - 1) < 0.01
    expected = (p / (1 - p) / 600) ** 0.5
    rows = (values * (1 - p)).masked_fill(~is_kept, 0).sum(1) / is_kept.sum(1).clamp(1)
    assert 0.8 * expected < rows[is_kept.any(1)].std() < 1.2 * expected


def test_nothing_is_dropped_in_use(way: str) -> None:
    torch.manual_seed(0)
    x, layer = torch.randn(40, 8), FeedForward(8, 16, 0.5).eval()
    with torch.inference_mode():
        expected = x + layer[3](layer[0](x).relu())
        torch.testing.assert_close(layer(x), expected)
        torch.testing.assert_close(layer(x.view(5, 8, 8)), expected.view(5, 8, 8))
