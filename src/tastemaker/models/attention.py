"""What models share that let an event of a history look at those before it."""

import torch
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from tastemaker.models.sequence_model import SequenceModelConfig


class AttentionConfig(SequenceModelConfig):
    """Settings that all of these models have."""

    heads: int = Field(1, ge=1)
    """Attentions side by side in a block, each on its share of the numbers; divides
    embedding_size."""

    @field_validator("heads")
    @classmethod
    def _dividing(cls, heads: int, info: ValidationInfo) -> int:
        size = info.data.get("embedding_size", heads)
        if size % heads:
            reason = "it must divide embedding_size, which is {size}"
            raise PydanticCustomError("heads", reason, {"size": size})
        return heads


class SelfAttention(nn.Module):
    """Multi-head attention in which an event sees itself and what came before it."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(size, size) for _ in range(4))
        self._heads, self._dropout = heads, dropout

    def forward(
        self, queries: torch.Tensor, events: torch.Tensor, visible: torch.Tensor
    ) -> torch.Tensor:
        """Queries and events (rows, width, d), visible (rows, 1, width, width): as the queries."""
        query = self._split(self.query(queries))  # (rows, heads, width, d / heads)
        key, value = self._split(self.key(events)), self._split(self.value(events))
        dropout = self._dropout if self.training else 0.0
        seen = scaled_dot_product_attention(query, key, value, visible, dropout)
        return self.output(seen.transpose(1, 2).flatten(2))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(2, (self._heads, -1)).transpose(1, 2)


def causal(owners: torch.Tensor) -> torch.Tensor:
    """(rows, 1, width, width) bool: may the first event see the second? Its own history's past."""
    same = owners[:, :, None] == owners[:, None, :]
    return same.tril()[:, None]
