"""HSTU: hierarchical sequential transduction units read what somebody touched, in order.

Jiaqi Zhai et al., 2024: Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers
for Generative Recommendations (ICML). Attention that is no softmax: each past event adds as much as
it fits, whatever the others do, and what was added is gated.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import silu
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.models.sequence.attention import AttentionConfig, causal
from tastemaker.models.sequence.sequence_model import (
    SequenceModel,
    SequenceNetwork,
)
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.training.kernels.dropout import Dropout
from tastemaker.training.sequence_batches import Histories

TIME_BUCKETS = 64
"""Times between two events are told apart by their order of magnitude, half a power of 2 each."""


class HSTUConfig(AttentionConfig):
    """Settings of HSTU."""

    layers: int = Field(2, ge=1)
    """Units, one on the other."""
    time_gaps: bool = False
    """Whether the time since the event before and that between any two events are read as well,
    where times are known."""


class RelativeBias(nn.Module):
    """rab: how far one event lies behind another, in events and in time, as a score."""

    def __init__(self, config: HSTUConfig) -> None:
        super().__init__()
        self.distances = nn.Embedding(config.length, 1)
        self.times = nn.Embedding(TIME_BUCKETS, 1) if config.time_gaps else None
        nn.init.normal_(self.distances.weight, std=0.02)
        if self.times is not None:
            nn.init.normal_(self.times.weight, std=0.02)

    def forward(self, histories: Histories) -> torch.Tensor:
        """(rows, 1, width, width): of the second event for the first; arbitrary if not visible."""
        distances = _between(histories.positions).clamp(0, self.distances.num_embeddings - 1)
        bias = self.distances(distances)
        if self.times is not None and histories.gaps is not None:
            elapsed = _between(histories.gaps.clamp(min=0).cumsum(1))
            buckets = 2 * elapsed.clamp(min=1).log2()
            bias = bias + self.times(buckets.long().clamp(max=TIME_BUCKETS - 1))
        return bias.squeeze(3)[:, None]


class Unit(nn.Module):
    """Equations 1 to 3: U, V, Q, K = SiLU(f1(norm(x))); x + f2(norm(A V) ⊙ U)."""

    def __init__(self, config: HSTUConfig) -> None:
        super().__init__()
        size = config.embedding_size
        self.norm, self.seen_norm = nn.LayerNorm(size), nn.LayerNorm(size)
        self.up, self.output = nn.Linear(size, 4 * size), nn.Linear(size, size)
        self.bias = RelativeBias(config)
        self.dropout = Dropout(config.dropout)
        self._heads = config.heads

    def forward(self, x: torch.Tensor, histories: Histories, visible: torch.Tensor) -> torch.Tensor:
        """(rows, width, d) to the same; visible (rows, 1, width, width) holds 1 / n or 0."""
        gate, *parts = silu(self.up(self.norm(x))).chunk(4, dim=2)
        value, query, key = (part.unflatten(2, (self._heads, -1)).transpose(1, 2) for part in parts)
        attention = silu(query @ key.transpose(2, 3) + self.bias(histories)) * visible
        seen = (attention @ value).transpose(1, 2).flatten(2)
        return x + self.output(self.dropout(self.seen_norm(seen) * gate))


class HSTUNetwork(SequenceNetwork):
    """Items through the units; what comes out at an event predicts the next."""

    def __init__(self, train: Dataset, config: HSTUConfig) -> None:
        super().__init__(train, config)
        self.units = nn.ModuleList(Unit(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.embedding_size)

    @override
    def encode(self, histories: Histories) -> torch.Tensor:
        x = self.dropout(self.embed(histories))
        visible = causal(histories.owners).to(x.dtype)
        # Divided by how many events are seen, not by the width of a row, which is the batch's.
        visible = visible / visible.sum(3, keepdim=True)
        for unit in self.units:
            x = unit(x, histories, visible)
        return self.norm(x)


def _between(values: torch.Tensor) -> torch.Tensor:
    """(rows, width) to (rows, width, width): how much the first has more than the second."""
    return values[:, :, None] - values[:, None, :]


class HSTU(SequenceModel):
    """Attention in which events do not compete; an unseen user's history is read like a user's."""

    name = "hstu"
    config_class = HSTUConfig
    config: HSTUConfig
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((32, 64, 128)),
        "layers": Int(1, 4),
        "dropout": Float(0.1, 0.6),
        "learning_rate": Float(3e-4, 3e-3, log=True),
    }

    def _new_network(self, train: Dataset) -> HSTUNetwork:
        return HSTUNetwork(train, self.config)
