"""A fully connected layer that is fast for many rows of few numbers, as sequence models have."""

from typing import Any, cast

import torch
from torch import nn

from tastemaker.native import linear
from tastemaker.native.library import is_compiled, level

FEWEST_ROWS = 16
"""Rows from which on the compiled code is used: it first copies the weights into columns."""


class Linear(nn.Linear):
    """Does the same as nn.Linear with a bias, faster on a CPU with AVX-512."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps x (…, in_features) to (…, out_features)."""
        if is_fast(x):
            return cast("torch.Tensor", _CompiledLinear.apply(x, self.weight, self.bias))
        return super().forward(x)


def is_fast(x: torch.Tensor) -> bool:
    """Returns whether compiled code is the faster way for the rows x, (…, size)."""
    is_float32 = x.device.type == "cpu" and x.dtype == torch.float32
    has_rows = x.numel() >= FEWEST_ROWS * x.shape[-1] > 0
    # With narrower vectors, PyTorch's own products are as fast or faster.
    return is_float32 and has_rows and is_compiled() and level() == "avx512"


class _CompiledLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        x = x.contiguous()
        context.save_for_backward(x, weight)
        return linear.apply(x, weight, bias)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x, weight = context.saved_tensors
        (gradient,) = gradients
        return linear.gradients(x, weight, gradient.contiguous())
