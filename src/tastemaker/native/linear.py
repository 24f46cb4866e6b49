"""A fully connected layer and its gradients in compiled code.

`torch.nn.functional.linear` is the plain form.
"""

import ctypes
from ctypes import c_int32, c_int64, c_void_p
from functools import cache

import torch

from tastemaker.native.library import compiled


def apply(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Returns x Wᵀ + b, (…, out) float32.

    Args:
        x: (…, in) float32, contiguous.
        weight: (out, in) float32, contiguous.
        bias: (out,) float32, contiguous.
    """
    result = x.new_empty(*x.shape[:-1], len(weight))
    _compiled().linear_apply(
        x.data_ptr(), x.numel() // x.shape[-1], x.shape[-1], len(weight),
        weight.data_ptr(), bias.data_ptr(), torch.get_num_threads(), result.data_ptr(),
    )  # fmt: skip
    return result


def gradients(
    x: torch.Tensor, weight: torch.Tensor, gradient: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns the gradients of x, (…, in), the weight, (out, in), and the bias, (out,).

    Args:
        x: (…, in) float32, contiguous.
        weight: (out, in) float32, contiguous.
        gradient: (…, out) float32, contiguous: the gradient of the result.
    """
    of_x, of_parameters = torch.empty_like(x), x.new_empty(weight.numel() + len(weight))
    _compiled().linear_differentiate(
        x.data_ptr(), x.numel() // x.shape[-1], x.shape[-1], len(weight),
        weight.data_ptr(), gradient.data_ptr(), torch.get_num_threads(),
        of_x.data_ptr(), of_parameters.data_ptr(),
    )  # fmt: skip
    of_weight, of_bias = of_parameters.split([weight.numel(), len(weight)])
    return of_x, of_weight.view_as(weight), of_bias


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    sizes = [c_int64, c_int64, c_int64]
    loaded.linear_apply.restype = loaded.linear_differentiate.restype = None
    loaded.linear_apply.argtypes = [c_void_p, *sizes, c_void_p, c_void_p, c_int32, c_void_p]
    loaded.linear_differentiate.argtypes = [
        c_void_p, *sizes, c_void_p, c_void_p, c_int32, c_void_p, c_void_p,
    ]  # fmt: skip
    return loaded
