"""The fully connected layer is PyTorch's, in value and in all gradients."""

import pytest
import torch
from torch.nn.functional import linear

from tastemaker.native import linear as native
from tastemaker.native.library import is_compiled, level
from tastemaker.training.kernels import linear as kernel
from tastemaker.training.kernels.linear import FEWEST_ROWS, Linear
from tests.training.gradients import value_and_gradients


@pytest.mark.skipif(not is_compiled(), reason="there is no compiled code")
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize(("shape", "out"), [
    ((1, 1), 1), ((0, 3), 2), ((7, 50), 50), ((64, 16), 32), ((3, 65, 50), 33), ((500, 100), 130),
])  # fmt: skip
def test_compiled_is_plain(
    shape: tuple[int, ...], out: int, n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    torch.manual_seed(0)
    x, layer = torch.randn(shape, requires_grad=True), Linear(shape[-1], out)
    inputs = x, layer.weight, layer.bias
    found = value_and_gradients(kernel._CompiledLinear.apply, *inputs)
    for one, other in zip(found, value_and_gradients(linear, *inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_layer_does_what_pytorch_s_does(transposed: bool) -> None:
    x = torch.randn(40, 40, requires_grad=True)
    layer = Linear(40, 3)
    given = x.T if transposed else x
    torch.testing.assert_close(layer(given), linear(given, layer.weight, layer.bias))


@pytest.mark.skipif(not is_compiled() or level() != "avx512", reason="PyTorch's is used here")
def test_many_rows_are_computed_by_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(native, "apply", lambda x, weight, bias: calls.append(x) or x)
    layer = Linear(4, 4)
    for n, dtype in ((FEWEST_ROWS - 1, torch.float32), (FEWEST_ROWS, torch.float64)):
        layer.to(dtype)(torch.ones(n, 4, dtype=dtype))
    assert not calls
    layer.float()(torch.ones(FEWEST_ROWS, 4))
    assert len(calls) == 1
