"""Causal attention within packed histories, and its gradients, in compiled code.

`tastemaker.models.sequence.attention` has the plain form.
"""

import ctypes
from ctypes import POINTER, byref, c_int32, c_int64, c_void_p
from functools import cache
from typing import NamedTuple

import torch

from tastemaker.native.dropout import DropoutRule
from tastemaker.native.library import compiled


class Inputs(NamedTuple):
    """The vectors from which attention is computed."""

    queries: torch.Tensor
    """(rows, width, d) float32, contiguous."""
    keys: torch.Tensor
    """(rows, width, d) float32, contiguous."""
    values: torch.Tensor
    """(rows, width, d) float32, contiguous."""
    owners: torch.Tensor
    """(rows, width) int64, contiguous: the same number for the events of one history, which lie
    side by side; -1 for padding."""
    distances: torch.Tensor | None
    """(heads, width) float32, contiguous: what is added to the score of an event by the number of
    events from it to the query; None for 0."""


class Outputs(NamedTuple):
    """The result, which the gradients need too."""

    attended: torch.Tensor
    """(rows, width, d) float32; 0 at padding."""
    log_sums: torch.Tensor
    """(rows, width, heads) float32: the logarithm of the sum of the exponentials of the scores."""


def attend(inputs: Inputs, heads: int, rule: DropoutRule) -> Outputs:
    """Attends from each event to itself and to earlier events of its history.

    Args:
        inputs: the vectors of the events.
        heads: number of equal parts of the dimensions, each of which attends by itself.
        rule: the dropout of the attention to events.
    """
    attended = torch.zeros_like(inputs.queries)
    outputs = Outputs(attended, attended.new_empty(*inputs.owners.shape, heads))
    _compiled().attention_attend(
        byref(_shape(inputs, heads)), byref(_Addresses.of(*inputs)), byref(rule),
        torch.get_num_threads(), byref(_Addresses.of(*outputs)),
    )  # fmt: skip
    return outputs


def gradients(
    inputs: Inputs, heads: int, rule: DropoutRule, outputs: Outputs, gradient: torch.Tensor
) -> tuple[torch.Tensor | None, ...]:
    """Returns the gradients of queries, keys, values and distances from the one of `attended`.

    Heads and rule must be those of the computation of the outputs.
    """
    of_queries, of_keys, of_values = (
        torch.zeros_like(x) for x in (inputs.queries, inputs.keys, inputs.values)
    )
    n_threads, of_distances = torch.get_num_threads(), None
    if inputs.distances is not None:
        of_distances = torch.empty(n_threads, *inputs.distances.shape)
    _compiled().attention_differentiate(
        byref(_shape(inputs, heads)), byref(_Addresses.of(*inputs)), byref(rule),
        n_threads, byref(_Addresses.of(*outputs)),
        byref(_Addresses.of(gradient, of_queries, of_keys, of_values, of_distances)),
    )  # fmt: skip
    return of_queries, of_keys, of_values, None if of_distances is None else of_distances.sum(0)


class _Shape(ctypes.Structure):
    _fields_ = (("rows", c_int64), ("width", c_int64), ("heads", c_int64), ("size", c_int64))


class _Addresses(ctypes.Structure):
    """The addresses of up to five tensors, laid out as the structures of attention.cpp."""

    _fields_ = (("addresses", c_void_p * 5),)

    @classmethod
    def of(cls, *tensors: torch.Tensor | None) -> "_Addresses":
        return cls((c_void_p * 5)(*(None if x is None else x.data_ptr() for x in tensors)))


def _shape(inputs: Inputs, heads: int) -> _Shape:
    rows, width, size = inputs.queries.shape
    return _Shape(rows, width, heads, size // heads)


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    loaded.attention_attend.restype = loaded.attention_differentiate.restype = None
    common_types = (
        POINTER(_Shape), POINTER(_Addresses), POINTER(DropoutRule), c_int32, POINTER(_Addresses),
    )  # fmt: skip
    loaded.attention_attend.argtypes = common_types
    loaded.attention_differentiate.argtypes = [*common_types, POINTER(_Addresses)]
    return loaded
