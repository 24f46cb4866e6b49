"""HSTU: hierarchical sequential transduction units that read a history in order.

Jiaqi Zhai et al., 2024: Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers
for Generative Recommendations (ICML). The attention has no softmax: the weight of a past event
depends on how well it fits, not on the other events. The weighted sum is gated.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import silu
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.data.features import Encoders
from tastemaker.models.sequence.attention import AttentionConfig, causal
from tastemaker.models.sequence.sequence_model import (
    SequenceModel,
    SequenceNetwork,
)
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.training.kernels.dropout import Dropout
from tastemaker.training.kernels.linear import Linear
from tastemaker.training.kernels.norm import LayerNorm
from tastemaker.training.sequence_batches import Histories

TIME_BUCKETS = 64
"""Number of buckets for the time between two events; each spans a factor of √2."""


class HSTUConfig(AttentionConfig):
    """Settings of HSTU."""

    layers: int = Field(2, ge=1)
    """Number of stacked units."""
    time_gaps: bool = False
    """Whether the time since the previous event and that between any two events are read as well,
    where times are known."""


class RelativeBias(nn.Module):
    """Relative attention bias (rab): a learned score of two events' distance in events and time."""

    def __init__(self, config: HSTUConfig) -> None:
        super().__init__()
        self.distances = nn.Embedding(config.length, 1)
        self.times = nn.Embedding(TIME_BUCKETS, 1) if config.time_gaps else None
        nn.init.normal_(self.distances.weight, std=0.02)
        if self.times is not None:
            nn.init.normal_(self.times.weight, std=0.02)

    def forward(self, histories: Histories) -> torch.Tensor:
        """Returns the bias (rows, 1, width, width) of the second event for the first.

        It is arbitrary where the second event is not visible to the first.
        """
        distances = _differences(histories.positions).clamp(0, self.distances.num_embeddings - 1)
        bias = self.distances(distances)
        if self.times is not None and histories.gaps is not None:
            elapsed = _differences(histories.gaps.clamp(min=0).cumsum(1))
            buckets = 2 * elapsed.clamp(min=1).log2()
            bias = bias + self.times(buckets.long().clamp(max=TIME_BUCKETS - 1))
        return bias.squeeze(3)[:, None]


class Unit(nn.Module):
    """Computes x + f2(norm(A V) ⊙ U) with U, V, Q, K = SiLU(f1(norm(x))) (equations 1 to 3)."""

    def __init__(self, config: HSTUConfig) -> None:
        super().__init__()
        size = config.size
        self.norm, self.seen_norm = LayerNorm(size), LayerNorm(size)
        self.up, self.output = Linear(size, 4 * size), Linear(size, size)
        self.bias = RelativeBias(config)
        self.dropout = Dropout(config.dropout_rate)
        self._heads = config.heads

    def forward(self, x: torch.Tensor, histories: Histories, visible: torch.Tensor) -> torch.Tensor:
        """Maps x (rows, width, d) to the same shape.

        `visible`, (rows, 1, width, width), is 1 / n for each of n visible events, and 0 for others.
        """
        gate, *parts = silu(self.up(self.norm(x))).chunk(4, dim=2)
        value, query, key = (part.unflatten(2, (self._heads, -1)).transpose(1, 2) for part in parts)
        attention = silu(query @ key.transpose(2, 3) + self.bias(histories)) * visible
        attended = (attention @ value).transpose(1, 2).flatten(2)
        return x + self.output(self.dropout(self.seen_norm(attended) * gate))


class HSTUNetwork(SequenceNetwork):
    """Feeds items through the units; an event's output predicts the next item."""

    def __init__(
        self, train: Dataset, config: HSTUConfig, encoders: Encoders | None = None
    ) -> None:
        super().__init__(train, config, encoders)
        self.units = nn.ModuleList(Unit(config) for _ in range(config.layers))
        self.norm = LayerNorm(config.size)

    @override
    def encode(self, histories: Histories) -> torch.Tensor:
        x = self.dropout(self.embed(histories))
        visible = causal(histories.owners).to(x.dtype)
        # Divided by the number of visible events, since the width of a row depends on the batch.
        visible = visible / visible.sum(3, keepdim=True)
        for unit in self.units:
            x = unit(x, histories, visible)
        return self.norm(x)


def _differences(values: torch.Tensor) -> torch.Tensor:
    """Maps (rows, width) to differences (rows, width, width): the first minus the second."""
    return values[:, :, None] - values[:, None, :]


class HSTU(SequenceModel):
    """Gated attention without softmax over a history; unseen users are scored like known ones."""

    name = "hstu"
    config_class = HSTUConfig
    network_class = HSTUNetwork
    config: HSTUConfig
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((32, 64, 128)),
        "layers": Int(1, 4),
        "dropout": Float(0.1, 0.6),
        "learning_rate": Float(3e-4, 3e-3, log=True),
    }
