"""Dropout in compiled code; `tastemaker.training.kernels.dropout` has the plain form."""

import ctypes
from ctypes import POINTER, byref, c_float, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from functools import cache

import torch

from tastemaker.native.library import compiled


class DropoutRule(ctypes.Structure):
    """Which numbers are dropped: each with a probability of n_dropped / 256, decided by the key.

    All others are multiplied by `scale`.
    """

    _fields_ = (("key", c_uint64), ("n_dropped", c_uint32), ("scale", c_float))


def apply(x: torch.Tensor, rule: DropoutRule) -> torch.Tensor:
    """Returns x, float32 of any shape, after dropout; the same rule drops the same positions."""
    x = x.contiguous()
    result = torch.empty_like(x)
    arguments = x.data_ptr(), x.numel(), byref(rule), torch.get_num_threads(), result.data_ptr()
    _compiled().dropout_apply(*arguments)
    return result


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    loaded.dropout_apply.restype = None
    loaded.dropout_apply.argtypes = [c_void_p, c_int64, POINTER(DropoutRule), c_int32, c_void_p]
    return loaded
