"""Causal attention within packed histories, in compiled code without pairs of other histories."""

from typing import Any, cast

import torch

from tastemaker.native import attention
from tastemaker.native.dropout import DropoutRule
from tastemaker.training.kernels.dropout import drawn_rule


def packed_attention(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    owners: torch.Tensor,
    heads: int,
    dropout: float,
    distances: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attends from each event to itself and to earlier events of its history, on a CPU.

    The scores are products of queries and keys, divided by the square root of a head's dimension.

    Args:
        queries: (rows, width, d) float32.
        keys: (rows, width, d) float32.
        values: (rows, width, d) float32.
        owners: (rows, width) int64: the same number for the events of one history, which lie side
            by side; -1 for padding.
        heads: number of equal parts of the dimensions, each of which attends by itself.
        dropout: probability of dropping the attention to an event, rounded to 1/256. What is
            dropped depends on the state of PyTorch's random generator.
        distances: (heads, width or more) float32: what is added to the score of an event by the
            number of events from it to the query; None for 0.

    Returns:
        (rows, width, d) float32; 0 at padding.
    """
    rule = drawn_rule(dropout)
    if distances is not None:
        distances = distances[:, : queries.shape[1]]
    attended = _PackedAttention.apply(queries, keys, values, owners, distances, heads, rule)
    return cast("torch.Tensor", attended)


class _PackedAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        owners: torch.Tensor,
        distances: torch.Tensor | None,
        heads: int,
        rule: DropoutRule,
    ) -> torch.Tensor:
        inputs = attention.Inputs(
            queries.contiguous(), keys.contiguous(), values.contiguous(), owners.contiguous(),
            None if distances is None else distances.contiguous(),
        )  # fmt: skip
        outputs = attention.attend(inputs, heads, rule)
        context.save_for_backward(*inputs, *outputs)
        context.heads, context.rule = heads, rule
        return outputs.attended

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs = attention.Inputs(*context.saved_tensors[:5])
        outputs = attention.Outputs(*context.saved_tensors[5:])
        (gradient,) = gradients
        *of_vectors, of_distances = attention.gradients(
            inputs, context.heads, context.rule, outputs, gradient.contiguous()
        )
        return *of_vectors, None, of_distances, None, None
