"""What models share that let an event of a history look at those before it."""

import torch
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from tastemaker.models.sequence.sequence_model import SequenceModelConfig
from tastemaker.training.sequence_batches import Histories


class AttentionConfig(SequenceModelConfig):
    """Settings that all of these models have."""

    heads: int = Field(1, ge=1)
    """Attentions side by side in a block, each on its fraction of the numbers; divides
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
        """Queries (rows, q, d), events (rows, width, d), visible (rows, 1, q, width): as asked."""
        query = self._split(self.query(queries))  # (rows, heads, q, d / heads)
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


def at(places: torch.Tensor | None, x: torch.Tensor) -> torch.Tensor:
    """What of x (rows, width, …) is at places (rows, q) of the flattened rows; None: all of it."""
    return x if places is None else x.flatten(0, 1)[places]


def ends_by_row(histories: Histories) -> tuple[torch.Tensor, torch.Tensor]:
    """Where each history ends, row by row.

    Returns:
        (rows, q) places in the flattened rows, with filling behind the ends of a row that holds
        fewer histories than another; and (n,) where among these, flattened, the n ends are.
    """
    n_rows, width = histories.items.shape
    row = histories.last // width
    nth = torch.arange(len(row), device=row.device) - torch.searchsorted(row, row)
    most = int(nth.max()) + 1
    slots = row * most + nth
    places = slots.new_zeros(n_rows * most).index_copy(0, slots, histories.last)
    return places.unflatten(0, (n_rows, most)), slots
