"""Layer normalisation is PyTorch's, in value and in all gradients."""

import pytest
import torch
from torch.nn.functional import layer_norm

from tastemaker.native.library import is_compiled
from tastemaker.training.kernels import norm as kernel
from tastemaker.training.kernels.norm import LayerNorm
from tests.training.gradients import value_and_gradients


@pytest.mark.skipif(not is_compiled(), reason="there is no compiled code")
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize(
    "shape", [(1, 2), (0, 3), (1, 16), (7, 50), (3, 65, 64), (2000, 27), (500, 100)]
)
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_compiled_is_plain(
    shape: tuple[int, ...], offset: float, n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    torch.manual_seed(0)
    x, layer = (torch.randn(shape) + offset).requires_grad_(), LayerNorm(shape[-1])
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)

    def compiled(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return kernel._CompiledNorm.apply(x, weight, bias, layer.eps)

    def plain(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return layer_norm(x, shape[-1:], weight, bias, layer.eps)

    inputs = x, layer.weight, layer.bias
    found = value_and_gradients(compiled, *inputs)
    for one, other in zip(found, value_and_gradients(plain, *inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_a_row_of_equal_numbers_becomes_the_bias() -> None:
    layer = LayerNorm(6)
    torch.nn.init.normal_(layer.bias)
    x = torch.full((40, 6), 3.0)
    torch.testing.assert_close(layer(x), layer.bias.expand(40, 6))


def test_a_layer_does_what_pytorch_s_does_with_a_view() -> None:
    torch.manual_seed(0)
    x, layer = torch.randn(40, 40).T, LayerNorm(40)
    torch.testing.assert_close(layer(x), layer_norm(x, (40,), layer.weight, layer.bias))
