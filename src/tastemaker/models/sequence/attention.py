"""Common code of models in which an event of a history attends to earlier events."""

import torch
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from tastemaker.models.sequence.sequence_model import SequenceModelConfig
from tastemaker.training.sequence_batches import Histories


class AttentionConfig(SequenceModelConfig):
    """Settings of all models with attention."""

    heads: int = Field(1, ge=1)
    """Attention heads in a block, each on an equal part of the dimensions; must divide
    embedding_size."""

    @field_validator("heads")
    @classmethod
    def _must_divide_embedding_size(cls, heads: int, info: ValidationInfo) -> int:
        size = info.data.get("embedding_size", heads)
        if size % heads:
            reason = "it must divide embedding_size, which is {size}"
            raise PydanticCustomError("heads", reason, {"size": size})
        return heads


class SelfAttention(nn.Module):
    """Multi-head attention in which each query attends to the events visible to it."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(size, size) for _ in range(4))
        self._heads, self._dropout = heads, dropout

    def forward(
        self, queries: torch.Tensor, events: torch.Tensor, visible: torch.Tensor
    ) -> torch.Tensor:
        """Attends from queries to events.

        Args:
            queries: (rows, q, d).
            events: (rows, width, d).
            visible: (rows, 1, q, width) bool.

        Returns:
            (rows, q, d).
        """
        query = self._split(self.query(queries))  # (rows, heads, q, d / heads)
        key, value = self._split(self.key(events)), self._split(self.value(events))
        dropout = self._dropout if self.training else 0.0
        attended = scaled_dot_product_attention(query, key, value, visible, dropout)
        return self.output(attended.transpose(1, 2).flatten(2))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(2, (self._heads, -1)).transpose(1, 2)


def causal(owners: torch.Tensor) -> torch.Tensor:
    """Returns (rows, 1, width, width) bool: whether the second event is visible to the first.

    An event is visible to itself and to later events of the same history.
    """
    same_history = owners[:, :, None] == owners[:, None, :]
    return same_history.tril()[:, None]


def gather_places(places: torch.Tensor | None, x: torch.Tensor) -> torch.Tensor:
    """Returns x (rows, width, …) at places (rows, q) of the flattened rows; with None, all of x."""
    return x if places is None else x.flatten(0, 1)[places]


def ends_by_row(histories: Histories) -> tuple[torch.Tensor, torch.Tensor]:
    """Finds the last event of each history, row by row.

    Returns:
        (rows, q) places of the ends in the flattened rows, padded where a row holds fewer histories
        than another; and the (n,) positions of the n ends among these places, flattened.
    """
    n_rows, width = histories.items.shape
    row = histories.last // width
    index_in_row = torch.arange(len(row), device=row.device) - torch.searchsorted(row, row)
    max_per_row = int(index_in_row.max()) + 1
    slots = row * max_per_row + index_in_row
    places = slots.new_zeros(n_rows * max_per_row).index_copy(0, slots, histories.last)
    return places.unflatten(0, (n_rows, max_per_row)), slots
