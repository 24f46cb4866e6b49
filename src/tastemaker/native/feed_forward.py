"""The feed-forward part of a transformer's block, and its gradients, in compiled code.

`tastemaker.training.kernels.feed_forward` has the plain form.
"""

import ctypes
from ctypes import POINTER, byref, c_int32, c_int64, c_void_p
from functools import cache
from typing import NamedTuple

import torch

from tastemaker.native.dropout import DropoutRule
from tastemaker.native.library import compiled


class Weights(NamedTuple):
    """The parameters of both layers, float32 and contiguous."""

    weight_1: torch.Tensor
    """(hidden, size)."""
    bias_1: torch.Tensor
    """(hidden,)."""
    weight_2: torch.Tensor
    """(size, hidden)."""
    bias_2: torch.Tensor
    """(size,)."""


Rules = tuple[DropoutRule, DropoutRule]
"""The dropout of what enters the second layer, and of what leaves it."""


def apply(
    x: torch.Tensor, weights: Weights, rules: Rules, for_gradients: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Returns x + drop₂(W₂ drop₁(relu(W₁ x + b₁)) + b₂), of the shape of x.

    Args:
        x: (…, size) float32, contiguous.
        weights: the parameters.
        rules: the dropout.
        for_gradients: whether to return also what enters the second layer, (…, hidden).
    """
    result = torch.empty_like(x)
    entering = x.new_empty(*x.shape[:-1], len(weights.weight_1)) if for_gradients else None
    _compiled().feed_forward_apply(
        x.data_ptr(), x.numel() // x.shape[-1], byref(_FeedForward.of(weights, rules)),
        torch.get_num_threads(), None if entering is None else entering.data_ptr(),
        result.data_ptr(),
    )  # fmt: skip
    return result, entering


def gradients(
    x: torch.Tensor, entering: torch.Tensor, weights: Weights, rules: Rules, gradient: torch.Tensor
) -> tuple[torch.Tensor, Weights]:
    """Returns the gradients of x and of the weights.

    Args:
        x: (…, size) float32, contiguous.
        entering: (…, hidden) float32, contiguous: what entered the second layer.
        weights: the parameters.
        rules: the dropout of the result.
        gradient: (…, size) float32, contiguous: the gradient of the result.
    """
    of_x, sizes = torch.empty_like(x), [each.numel() for each in weights]
    of_weights = x.new_empty(sum(sizes))
    _compiled().feed_forward_differentiate(
        x.data_ptr(), entering.data_ptr(), x.numel() // x.shape[-1],
        byref(_FeedForward.of(weights, rules)), gradient.data_ptr(), torch.get_num_threads(),
        of_x.data_ptr(), of_weights.data_ptr(),
    )  # fmt: skip
    parts = zip(of_weights.split(sizes), weights, strict=True)
    return of_x, Weights(*(part.view_as(weight) for part, weight in parts))


class _FeedForward(ctypes.Structure):
    """What feed_forward.cpp calls FeedForward."""

    _fields_ = (
        ("size", c_int64), ("hidden", c_int64), ("weights", c_void_p * 4),
        ("dropout", DropoutRule * 2),
    )  # fmt: skip

    @classmethod
    def of(cls, weights: Weights, rules: Rules) -> "_FeedForward":
        hidden, size = weights.weight_1.shape
        addresses = (c_void_p * 4)(*(each.data_ptr() for each in weights))
        return cls(size, hidden, addresses, (DropoutRule * 2)(*rules))


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    loaded.feed_forward_apply.restype = loaded.feed_forward_differentiate.restype = None
    loaded.feed_forward_apply.argtypes = [
        c_void_p, c_int64, POINTER(_FeedForward), c_int32, c_void_p, c_void_p,
    ]  # fmt: skip
    loaded.feed_forward_differentiate.argtypes = [
        c_void_p, c_void_p, c_int64, POINTER(_FeedForward), c_void_p, c_int32, c_void_p, c_void_p,
    ]  # fmt: skip
    return loaded
