"""A step of Adam for all tensors of a network, and of the average of their values, compiled.

`torch.optim.Adam` and `tastemaker.training.averaging` are the plain form.
"""

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, byref, c_double, c_float, c_int32, c_int64, c_void_p
from functools import cache

import torch

from tastemaker.native.library import compiled


class AdamRule(ctypes.Structure):
    """The settings of Adam, as for `torch.optim.Adam`."""

    _fields_ = (
        ("beta1", c_double), ("beta2", c_double), ("epsilon", c_double),
        ("weight_decay", c_double), ("steps_done", c_int64), ("lazy", c_int32),
    )  # fmt: skip


class AdamTensors:
    """Some tensors with their moments and averages, whose memory must stay where it is."""

    def __init__(
        self,
        parameters: Sequence[torch.Tensor],
        states: Sequence[dict[str, torch.Tensor]],
        averages: Sequence[torch.Tensor] | None,
    ) -> None:
        """Takes the addresses of the tensors.

        Args:
            parameters: n tensors, float32 and contiguous, on the CPU.
            states: the state of each in `torch.optim.Adam`, whose `step` is counted too.
            averages: the average of each, or None.
        """
        self._kept = [*parameters, *(each for state in states for each in state.values())]
        self._tensors = (_AdamTensor * len(parameters))(
            *(
                _AdamTensor(
                    parameter.data_ptr(), state["exp_avg"].data_ptr(),
                    state["exp_avg_sq"].data_ptr(), parameter.numel(), 1,
                    None if averages is None else averages[i].data_ptr(), None,
                    state["step"].data_ptr(),
                )
                for i, (parameter, state) in enumerate(zip(parameters, states, strict=True))
            )
        )  # fmt: skip

    def step(
        self,
        gradients: Sequence[torch.Tensor | None],
        rule: AdamRule,
        learning_rate: float,
        fraction: float,
    ) -> None:
        """Takes a step for the tensors with a gradient; all averages move towards the results.

        Args:
            gradients: n gradients, of the shapes of the tensors, float32; or None.
            rule: the settings.
            learning_rate: the learning rate of this step.
            fraction: how far the averages move.
        """
        gradients = [None if each is None else each.contiguous() for each in gradients]
        for tensor, gradient in zip(self._tensors, gradients, strict=True):
            tensor.gradient = None if gradient is None else gradient.data_ptr()
        _compiled().adam_step(
            self._tensors, len(self._tensors), byref(rule), learning_rate, fraction,
            torch.get_num_threads(),
        )  # fmt: skip


class _AdamTensor(ctypes.Structure):
    """What adam.cpp calls AdamTensor."""

    _fields_ = (
        ("value", c_void_p), ("mean", c_void_p), ("square", c_void_p), ("rows", c_int64),
        ("columns", c_int64), ("average", c_void_p), ("gradient", c_void_p),
        ("steps_done", c_void_p),
    )  # fmt: skip


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    loaded.adam_step.restype = None
    loaded.adam_step.argtypes = [
        POINTER(_AdamTensor), c_int64, POINTER(AdamRule), c_double, c_float, c_int32,
    ]  # fmt: skip
    return loaded
