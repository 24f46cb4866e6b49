"""Layer normalisation and its gradients in compiled code.

`torch.nn.functional.layer_norm` is the plain form.
"""

import ctypes
from ctypes import c_float, c_int32, c_int64, c_void_p
from functools import cache

import torch

from tastemaker.native.library import compiled


def apply(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, epsilon: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns (x - mean) / √(variance + epsilon) · weight + bias, of the shape of x, and moments.

    The moments, (…, 2), are the mean of each row and 1 / √(variance + epsilon).

    Args:
        x: (…, size) float32, contiguous; mean and variance are those of its last dimension.
        weight: (size,) float32, contiguous.
        bias: (size,) float32, contiguous.
        epsilon: what is added to the variance.
    """
    result, moments = torch.empty_like(x), x.new_empty(*x.shape[:-1], 2)
    _compiled().norm_apply(
        x.data_ptr(), x.numel() // len(weight), len(weight), weight.data_ptr(), bias.data_ptr(),
        epsilon, torch.get_num_threads(), moments.data_ptr(), result.data_ptr(),
    )  # fmt: skip
    return result, moments


def gradients(
    x: torch.Tensor, weight: torch.Tensor, moments: torch.Tensor, gradient: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns the gradients of x, (…, size), the weight and the bias, (size,) each.

    Args:
        x: (…, size) float32, contiguous.
        weight: (size,) float32, contiguous.
        moments: (…, 2) float32, contiguous: the moments of x.
        gradient: (…, size) float32, contiguous: the gradient of the result.
    """
    of_x, of_parameters = torch.empty_like(x), x.new_empty(2 * len(weight))
    _compiled().norm_differentiate(
        x.data_ptr(), x.numel() // len(weight), len(weight), weight.data_ptr(),
        moments.data_ptr(), gradient.data_ptr(), torch.get_num_threads(),
        of_x.data_ptr(), of_parameters.data_ptr(),
    )  # fmt: skip
    of_weight, of_bias = of_parameters.split(len(weight))
    return of_x, of_weight, of_bias


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    loaded.norm_apply.restype = loaded.norm_differentiate.restype = None
    common_types = c_void_p, c_int64, c_int64, c_void_p, c_void_p
    loaded.norm_apply.argtypes = [*common_types, c_float, c_int32, c_void_p, c_void_p]
    loaded.norm_differentiate.argtypes = [*common_types, c_void_p, c_int32, c_void_p, c_void_p]
    return loaded
