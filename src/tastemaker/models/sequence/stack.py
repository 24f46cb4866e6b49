"""Stacked blocks of attention and feed-forward, which read items and positions."""

from collections.abc import Callable

import torch
from pydantic import Field
from torch import nn
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.data.features import Encoders
from tastemaker.models.sequence.attention import (
    AttentionConfig,
    attention_from,
    attention_within,
    ends_by_row,
)
from tastemaker.models.sequence.sequence_model import SequenceNetwork
from tastemaker.training.kernels.norm import LayerNorm
from tastemaker.training.sequence_batches import Histories


class StackConfig(AttentionConfig):
    """Settings of stacked blocks of attention and feed-forward."""

    layers: int = Field(2, ge=1)
    """Number of stacked blocks of attention and feed-forward."""
    feed_forward: int = Field(1, ge=1)
    """Width of the feed-forward's hidden layer, as a multiple of embedding_size."""
    distances: bool = True
    """Whether attention to an event also depends on the number of events since then, which helps
    where histories are long."""

    @property
    def attention_length(self) -> int | None:
        """The length for `SelfAttention`."""
        return self.length if self.distances else None


class StackNetwork(SequenceNetwork):
    """Feeds items and positions through the blocks; an event's output predicts the next item."""

    def __init__(
        self,
        train: Dataset,
        config: StackConfig,
        new_block: Callable[[], nn.Module],
        encoders: Encoders | None = None,
    ) -> None:
        super().__init__(train, config, encoders)
        self.positions = nn.Embedding(config.length, config.size)
        self.blocks = nn.ModuleList(new_block() for _ in range(config.layers))
        self.norm = LayerNorm(config.size)
        nn.init.normal_(self.positions.weight, std=0.02)

    @override
    def encode(self, histories: Histories) -> torch.Tensor:
        x, attend = self._embedded(histories), attention_within(histories.owners)
        for block in self.blocks:
            x = block(x, attend)
        return self.norm(x)

    def encode_last(self, histories: Histories) -> torch.Tensor:
        """Computes the last block only for the last events, which saves much of the work."""
        x, attend = self._embedded(histories), attention_within(histories.owners)
        *blocks, last_block = self.blocks
        for block in blocks:
            x = block(x, attend)
        places, slots = ends_by_row(histories)
        attend_from_ends = attention_from(places, histories.owners)
        x = last_block(x, attend_from_ends, places)  # (rows, q, d)
        return self.norm(x.flatten(0, 1)[slots])

    def _embedded(self, histories: Histories) -> torch.Tensor:
        return self.dropout(self.embed(histories) + self.positions(histories.positions))
