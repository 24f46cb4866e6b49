"""CORE: a session is a weighted mean of the vectors of its items, and near them in direction.

Yupeng Hou, Binbin Hu, Zhiqiang Zhang and Wayne Xin Zhao, 2022: CORE: Simple and Effective
Session-based Recommendation within Consistent Representation Space (SIGIR), CORE-trm. Its
transformer reads each session up to each event; here it is causal, so that one pass over a session
gives the queries at all of its events.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch.nn.functional import normalize
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.data.features import Encoded, Encoders
from tastemaker.models.sequence.attention import attention_within
from tastemaker.models.sequence.sasrec import SASRecConfig, SASRecNetwork
from tastemaker.models.sequence.sequence_model import SequenceModel, SequenceNetwork
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.training.kernels.dropout import Dropout
from tastemaker.training.kernels.linear import Linear
from tastemaker.training.sequence_batches import Histories


class COREConfig(SASRecConfig):
    """Settings of CORE."""

    layers: int = Field(1, ge=1)
    """Number of stacked blocks of attention and feed-forward."""
    length: int = Field(20, ge=1)
    """Number of latest events of a history that are read."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Fraction of the network's activations that are dropped, drawn again at each training step."""
    vector_dropout: float = Field(0.2, ge=0, lt=1)
    """Fraction of the components of the items' vectors that are dropped, both of a history and of
    the items that are scored."""
    temperature: float = Field(0.07, gt=0)
    """The cosine of a session and an item is divided by this for a score; the smaller, the more
    certain the probabilities."""


class CORENetwork(SASRecNetwork):
    """The transformer gives weights to the items of a session, whose vectors it does not change."""

    def __init__(
        self, train: Dataset, config: COREConfig, encoders: Encoders | None = None
    ) -> None:
        super().__init__(train, config, encoders)
        size = config.size
        self.query, self.key = Linear(size, size), Linear(size, size)
        self.vector_dropout = Dropout(config.vector_dropout)
        self._temperature = config.temperature

    @override
    def vectors(self, items: torch.Tensor | None) -> torch.Tensor:
        """Returns vectors of length 1; see `SequenceNetwork.vectors`."""
        return normalize(self.vector_dropout(super().vectors(items)), dim=-1)

    @override
    def new_vectors(self, encoded: Encoded) -> torch.Tensor | None:
        vectors = super().new_vectors(encoded)
        return None if vectors is None else normalize(vectors, dim=-1)

    @override
    def encode(self, histories: Histories) -> torch.Tensor:
        """Returns Σ_i a_i v_i over the items i up to each event, of the length 1 / temperature."""
        x, attend = self._embedded(histories), attention_within(histories.owners)
        for block in self.blocks:
            x = block(x, attend)
        x, vectors = self.norm(x), self.vectors(histories.items)
        mean = attend(self.query(x), self.key(x), vectors, 1, 0.0)
        return normalize(mean, dim=-1) / self._temperature

    @override
    def encode_last(self, histories: Histories) -> torch.Tensor:
        return SequenceNetwork.encode_last(self, histories)


class CORE(SequenceModel):
    """A weighted mean of the items of a history, by their cosine; made for short sessions."""

    name = "core"
    config_class = COREConfig
    network_class = CORENetwork
    config: COREConfig
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((64, 128)),
        "layers": Int(1, 2),
        "dropout": Float(0.0, 0.5),
        "vector_dropout": Float(0.0, 0.4),
        "temperature": Float(0.03, 0.15, log=True),
        "learning_rate": Float(3e-4, 5e-3, log=True),
    }
