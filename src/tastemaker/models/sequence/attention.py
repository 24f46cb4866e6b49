"""Common code of models in which an event of a history attends to earlier events."""

from typing import Protocol

import torch
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from tastemaker.config import AUTO
from tastemaker.models.sequence.config import LARGE, SMALL, SequenceModelConfig
from tastemaker.native.library import is_compiled
from tastemaker.training.kernels.attention import packed_attention
from tastemaker.training.kernels.linear import Linear
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
        sizes = [SMALL["embedding_size"], LARGE["embedding_size"]] if size == AUTO else [size]
        if any(each % heads for each in sizes):
            reason = "it must divide embedding_size, which is {size}"
            size = f"{sizes[0]} or {sizes[1]} (auto)" if size == AUTO else size
            raise PydanticCustomError("heads", reason, {"size": size})
        return heads


class Attend(Protocol):
    """A way to attend from events to those that are visible to them."""

    def __call__(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        heads: int,
        dropout: float,
        distances: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Returns (rows, q, d) for queries (rows, q, d), and keys and values (rows, width, d).

        `distances`, (heads, width or more), is added to the score of an event by the number of
        events from it to the query; None is 0.
        """


class SelfAttention(nn.Module):
    """Multi-head attention in which each query attends to the events visible to it.

    With a length, the score of an event also depends on its distance from the query, up to that
    length: Colin Raffel et al., 2020: Exploring the Limits of Transfer Learning with a Unified
    Text-to-Text Transformer (JMLR), section 2.1, with a number for each distance.
    """

    def __init__(self, size: int, heads: int, dropout: float, length: int | None = None) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = (Linear(size, size) for _ in range(4))
        self.distances = None if length is None else nn.Parameter(torch.zeros(heads, length))
        self._heads, self._dropout = heads, dropout

    def forward(self, queries: torch.Tensor, events: torch.Tensor, attend: Attend) -> torch.Tensor:
        """Maps queries (rows, q, d) that attend to events (rows, width, d) to (rows, q, d)."""
        dropout = self._dropout if self.training else 0.0
        query, key, value = self.query(queries), self.key(events), self.value(events)
        return self.output(attend(query, key, value, self._heads, dropout, self.distances))


def attention_within(owners: torch.Tensor) -> Attend:
    """Returns the attention from each event to itself and to earlier events of its history."""

    def attend(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int, dropout: float,
        distances: torch.Tensor | None = None,
    ) -> torch.Tensor:  # fmt: skip
        if query.device.type == "cpu" and query.dtype == torch.float32 and is_compiled():
            return packed_attention(query, key, value, owners, heads, dropout, distances)
        columns = torch.arange(owners.shape[1], device=owners.device)[None]
        plain = attention_to(causal(owners), columns)
        return plain(query, key, value, heads, dropout, distances)

    return attend


def attention_to(visible: torch.Tensor, columns: torch.Tensor) -> Attend:
    """Returns the attention to the events that are visible to the queries.

    Args:
        visible: (rows, 1, q, width) bool.
        columns: (rows or 1, q) int64: the column of each query in its row.
    """

    def attend(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int, dropout: float,
        distances: torch.Tensor | None = None,
    ) -> torch.Tensor:  # fmt: skip
        q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (query, key, value))
        mask = visible
        if distances is not None:
            events = torch.arange(key.shape[1], device=key.device)
            between = (columns[:, :, None] - events).clamp(0, distances.shape[1] - 1)
            added = distances[:, between].transpose(0, 1)  # (rows or 1, heads, q, width)
            mask = added.masked_fill(~visible, -torch.inf)
        attended = scaled_dot_product_attention(q, k, v, mask, dropout)
        return attended.transpose(1, 2).flatten(2)

    return attend


def attention_from(places: torch.Tensor, owners: torch.Tensor) -> Attend:
    """Returns the attention from some events to themselves and earlier events of their histories.

    Args:
        places: (rows, q) int64 places of the events in the flattened rows.
        owners: (rows, width) int64, as in `Histories`.
    """
    width = owners.shape[1]
    columns = places % width
    is_past = torch.arange(width, device=owners.device) <= columns[:, :, None]
    visible = is_past & (owners[:, None] == owners.flatten()[places][:, :, None])
    return attention_to(visible[:, None], columns)


def causal(owners: torch.Tensor) -> torch.Tensor:
    """Returns (rows, 1, width, width) bool: for each event of a row, which events it attends to.

    These are the event itself and the earlier ones of the same history.
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
    # Padding is the first event of the row, so that each place has something to attend to.
    first_events = torch.arange(0, n_rows * width, width, device=row.device)
    places = first_events.repeat_interleave(max_per_row).index_copy(0, slots, histories.last)
    return places.unflatten(0, (n_rows, max_per_row)), slots
