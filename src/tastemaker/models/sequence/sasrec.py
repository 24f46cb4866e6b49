"""SASRec: a causal transformer that reads a history in order and predicts the next item.

Wang-Cheng Kang and Julian McAuley, 2018: Self-Attentive Sequential Recommendation (ICDM). With LiGR
layers and a softmax loss it becomes eSASRec: Daria Tikhonovich et al., 2025: eSASRec: Enhancing
Transformer-based Recommendations in a Modular Fashion (RecSys); the layers are those of Fedor
Borisyuk et al., 2024: From Features to Transformers: Redefining Ranking for Scalable Impact.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import silu
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.data.features import Encoders
from tastemaker.models.sequence.attention import Attend, SelfAttention, gather_places
from tastemaker.models.sequence.sequence_model import SequenceModel
from tastemaker.models.sequence.stack import StackConfig, StackNetwork
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.training.kernels.dropout import Dropout
from tastemaker.training.kernels.feed_forward import FeedForward
from tastemaker.training.kernels.linear import Linear
from tastemaker.training.kernels.norm import LayerNorm


class SASRecConfig(StackConfig):
    """Settings of SASRec."""

    layer: Literal["sasrec", "ligr"] = "sasrec"
    """Type of block. sasrec: the paper's. ligr: gated residuals, pre-normalisation and SwiGLU, as
    in eSASRec."""


class SASRecBlock(nn.Module):
    """The paper's block: queries are normalised, keys and values are not (section 3.2)."""

    def __init__(self, config: SASRecConfig) -> None:
        super().__init__()
        size, hidden = config.size, config.size * config.feed_forward
        self.attention_norm, self.forward_norm = LayerNorm(size), LayerNorm(size)
        self.attention = SelfAttention(
            size, config.heads, config.dropout_rate, config.attention_length
        )
        self.forward_layers = FeedForward(size, hidden, config.dropout_rate)

    def forward(
        self, x: torch.Tensor, attend: Attend, places: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Maps x (rows, width, d) to the same shape, or to (rows, q, d) for some places only."""
        queries = self.attention_norm(gather_places(places, x))
        x = self.forward_norm(queries + self.attention(queries, x, attend))
        transformed: torch.Tensor = self.forward_layers(x)
        return transformed


class LiGRBlock(nn.Module):
    """Computes x + σ(W x) ⊙ f(norm(x)), with f first attention, then a SwiGLU feed-forward."""

    def __init__(self, config: SASRecConfig) -> None:
        super().__init__()
        size, hidden = config.size, config.size * config.feed_forward
        self.attention_norm, self.forward_norm = LayerNorm(size), LayerNorm(size)
        self.attention_gate, self.forward_gate = Linear(size, size), Linear(size, size)
        self.attention = SelfAttention(
            size, config.heads, config.dropout_rate, config.attention_length
        )
        self.up, self.gate = Linear(size, hidden), Linear(size, hidden)
        self.down = Linear(hidden, size)
        self.dropout = Dropout(config.dropout_rate)

    @override
    def forward(
        self, x: torch.Tensor, attend: Attend, places: torch.Tensor | None = None
    ) -> torch.Tensor:
        normed, x = self.attention_norm(x), gather_places(places, x)
        attended = self.dropout(self.attention(gather_places(places, normed), normed, attend))
        x = x + torch.sigmoid(self.attention_gate(x)) * attended
        normed = self.forward_norm(x)
        transformed = self.dropout(
            self.down(self.dropout(silu(self.gate(normed)) * self.up(normed)))
        )
        return x + torch.sigmoid(self.forward_gate(x)) * transformed


class SASRecNetwork(StackNetwork):
    """Stacked blocks of the type that the settings name."""

    def __init__(
        self, train: Dataset, config: SASRecConfig, encoders: Encoders | None = None
    ) -> None:
        block = LiGRBlock if config.layer == "ligr" else SASRecBlock
        super().__init__(train, config, lambda: block(config), encoders)


class SASRec(SequenceModel):
    """A causal transformer over a history in order; unseen users are scored like known ones."""

    name = "sasrec"
    config_class = SASRecConfig
    network_class = SASRecNetwork
    config: SASRecConfig
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((32, 64, 128)),
        "layers": Int(1, 3),
        "dropout": Float(0.1, 0.6),
        "learning_rate": Float(3e-4, 3e-3, log=True),
    }


class ESASRecConfig(SASRecConfig):
    """Settings of eSASRec."""

    embedding_size: int = Field(128, ge=1)
    """Dimension of the vectors of items and of encoded histories."""
    layers: int = Field(1, ge=1)
    """Number of stacked blocks of attention and feed-forward."""
    layer: Literal["sasrec", "ligr"] = "ligr"
    """Type of block. sasrec: the paper's. ligr: gated residuals, pre-normalisation and SwiGLU, as
    in eSASRec."""
    feed_forward: int = Field(2, ge=1)
    """Width of the feed-forward's hidden layer, as a multiple of embedding_size."""


class ESASRec(SASRec):
    """SASRec with LiGR layers and a softmax loss; the strongest recipe without item content."""

    name = "esasrec"
    config_class = ESASRecConfig
    config: ESASRecConfig
