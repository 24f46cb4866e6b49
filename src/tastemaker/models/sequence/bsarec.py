"""BSARec: attention beside a filter that tells lasting interests from short ones.

Yehjin Shin et al., 2024: An Attentive Inductive Bias for Sequential Recommendation beyond the
Self-Attention (AAAI). The paper's filter is a Fourier transform of the whole history, which also
mixes later events into earlier ones. Here it is causal: the low frequencies of an event are the
mean of its history so far, and the high ones are its difference from that mean. So all events of a
history are learned from at once, as in SASRec.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import nn
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.data.features import Encoders
from tastemaker.models.sequence.attention import Attend, SelfAttention, gather_places
from tastemaker.models.sequence.sequence_model import SequenceModel
from tastemaker.models.sequence.stack import StackConfig, StackNetwork
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.training.kernels.dropout import Dropout
from tastemaker.training.kernels.linear import Linear
from tastemaker.training.kernels.norm import LayerNorm
from tastemaker.training.sequence_batches import Histories


class BSARecConfig(StackConfig):
    """Settings of BSARec."""

    feed_forward: int = Field(4, ge=1)
    """Width of the feed-forward's hidden layer, as a multiple of embedding_size."""
    filter_weight: float = Field(0.7, ge=0, le=1)
    """α: weight of the filter in a block; that of the attention is 1 - α."""
    weight_decay: float = Field(5e-4, ge=0)
    """L2 penalty that Adam adds to every gradient."""


class CausalFilter(nn.Module):
    """Computes L + β² (x - L), with L the mean of the history up to an event (equation 9)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.root_beta = nn.Parameter(torch.randn(size))

    def forward(self, queries: torch.Tensor, events: torch.Tensor, attend: Attend) -> torch.Tensor:
        """Maps events (rows, width, d) to (rows, q, d) at the queries, which are some of them."""
        # Attention in which all scores are 0 is the mean of the visible events.
        mean = attend(torch.zeros_like(queries), torch.zeros_like(events), events, 1, 0.0)
        return mean + self.root_beta**2 * (queries - mean)


class BSARecBlock(nn.Module):
    """A weighted sum of filter and attention, then a feed-forward (equations 5 to 7)."""

    def __init__(self, config: BSARecConfig) -> None:
        super().__init__()
        size, hidden = config.size, config.size * config.feed_forward
        self.filter, self.filter_norm = CausalFilter(size), LayerNorm(size)
        self.attention = SelfAttention(
            size, config.heads, config.dropout_rate, config.attention_length
        )
        self.attention_norm, self.forward_norm = LayerNorm(size), LayerNorm(size)
        self.forward_layers = nn.Sequential(
            Linear(size, hidden),
            nn.GELU(),
            Dropout(config.dropout_rate),
            Linear(hidden, size),
            Dropout(config.dropout_rate),
        )
        self.dropout = Dropout(config.dropout_rate)
        self._filter_weight = config.filter_weight

    @override
    def forward(
        self, x: torch.Tensor, attend: Attend, places: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Maps x (rows, width, d) to the same shape, or to (rows, q, d) for some places only."""
        queries = gather_places(places, x)
        filtered = self.filter_norm(queries + self.dropout(self.filter(queries, x, attend)))
        attended = self.attention_norm(queries + self.dropout(self.attention(queries, x, attend)))
        x = self._filter_weight * filtered + (1 - self._filter_weight) * attended
        return self.forward_norm(x + self.forward_layers(x))


class BSARecNetwork(StackNetwork):
    """Normalises the sum of items and positions before the first block."""

    def __init__(
        self, train: Dataset, config: BSARecConfig, encoders: Encoders | None = None
    ) -> None:
        super().__init__(train, config, lambda: BSARecBlock(config), encoders)
        self.input_norm = LayerNorm(config.size)

    @override
    def _embedded(self, histories: Histories) -> torch.Tensor:
        return self.dropout(
            self.input_norm(self.embed(histories) + self.positions(histories.positions))
        )


class BSARec(SequenceModel):
    """Attention and a filter of the history in order; unseen users are scored like known ones."""

    name = "bsarec"
    config_class = BSARecConfig
    network_class = BSARecNetwork
    config: BSARecConfig
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((32, 64, 128)),
        "layers": Int(1, 3),
        "dropout": Float(0.1, 0.6),
        "filter_weight": Float(0.1, 0.9),
        "weight_decay": Float(1e-5, 1e-3, log=True),
    }
