"""GMF: generalized matrix factorization, a product in which every dimension has its own weight.

Xiangnan He, Lizi Liao, Hanwang Zhang, Liqiang Nie, Xia Hu and Tat-Seng Chua, 2017: Neural
Collaborative Filtering (WWW), section 3.2.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import pad
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.models.factorization.vector_model import (
    VectorModel,
    VectorModelConfig,
    VectorNetwork,
)
from tastemaker.models.space import Choice, Float, Range
from tastemaker.training.kernels.pairs import PairParts


class GMFConfig(VectorModelConfig):
    """Settings of GMF."""

    epochs: int = Field(20, ge=1)
    """Passes over all positives."""
    learning_rate: float = Field(1e-2, gt=0)
    """Learning rate of Adam."""
    embedding_size: int = Field(16, ge=1)
    """Dimension of the user and item vectors: the paper's predictive factors."""


class GMFNetwork(VectorNetwork):
    """Computes s(u, i) = hᵀ(p_u ⊙ q_i) + b (equation 9); the sigmoid is part of the loss."""

    users: nn.Embedding
    items: nn.Embedding

    def __init__(self, train: Dataset, config: GMFConfig) -> None:
        super().__init__(train, config)
        self.users = nn.Embedding(train.n_users, config.embedding_size)
        self.items = nn.Embedding(train.n_items, config.embedding_size)
        self.output = nn.Linear(config.embedding_size, 1)
        nn.init.normal_(self.users.weight, std=0.05)
        nn.init.normal_(self.items.weight, std=0.05)
        nn.init.ones_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    @override
    def parts(self) -> PairParts:
        size = self.items.embedding_dim
        return PairParts(self.users, self.items, product=size, output=self.output)

    @override
    def weighted(self, vectors: torch.Tensor) -> torch.Tensor:
        return vectors * self.output.weight

    @override
    def score_vectors(self, vectors: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        products = torch.einsum("nd,ncd->nc", self.weighted(vectors), self.items(items))
        return products + self.output.bias

    @override
    def score_all(self, vectors: torch.Tensor) -> torch.Tensor:
        return self.weighted(vectors) @ self.items.weight.T + self.output.bias

    def keys(self) -> torch.Tensor:
        """Returns (n_items, d + 1): the vector, and a 1 that is multiplied by the bias."""
        return pad(self.items.weight, (0, 1), value=1)

    def queries(self, vectors: torch.Tensor) -> torch.Tensor:
        """Returns (n, d + 1): the weighted vector and the bias."""
        return torch.cat([self.weighted(vectors), self.output.bias.expand(len(vectors), 1)], dim=1)


class GMF(VectorModel):
    """A product of two vectors in which every dimension has its own weight; one half of NeuMF.

    An unseen user gets a vector by fold-in.
    """

    name = "gmf"
    config_class = GMFConfig
    config: GMFConfig
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((8, 16, 32, 64, 128)),
        "learning_rate": Float(1e-3, 3e-2, log=True),
        "weight_decay": Float(1e-7, 1e-4, log=True),
        "negatives": Choice((2, 4, 8)),
    }

    def _new_network(self, train: Dataset) -> GMFNetwork:
        return GMFNetwork(train, self.config)
