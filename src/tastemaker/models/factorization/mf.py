"""MF: matrix factorization, the product of a user's and an item's vector, with biases.

Yehuda Koren, Robert Bell and Chris Volinsky, 2009: Matrix Factorization Techniques for Recommender
Systems (Computer). Steffen Rendle, Walid Krichene, Li Zhang and John Anderson, 2020: Neural
Collaborative Filtering vs. Matrix Factorization Revisited (RecSys) show that a well-tuned product
is hard to beat.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import pad
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.models.factorization.vector_model import (
    LossName,
    VectorModel,
    VectorModelConfig,
    VectorNetwork,
)
from tastemaker.models.space import Choice, Float, Range
from tastemaker.training.kernels.pairs import PairParts


class MFConfig(VectorModelConfig):
    """Settings of MF."""

    loss: LossName = "softmax"
    """softmax uses the whole catalog; bce, bpr and sampled_softmax use sampled negatives."""
    epochs: int = Field(40, ge=1)
    """Passes over all positives."""
    batch_size: int = Field(64, ge=1)
    """Users in a batch for the softmax loss; positives, each with its negatives, for the others."""
    learning_rate: float = Field(5e-3, gt=0)
    """Learning rate of Adam."""
    regularization: float = Field(0.03, ge=0)
    """λ: the penalty on the squared length of the vectors, per interaction."""
    regularization_exponent: float = Field(0.5, ge=0, le=1)
    """ν: the penalty on a user or an item with n interactions is proportional to λ n^ν, as in
    Rendle et al. 2022: with 1, it grows with n; with 0, it is the same for all."""
    embedding_size: int = Field(64, ge=1)
    """Dimension of the user and item vectors, without the biases."""


class MFNetwork(VectorNetwork):
    """Computes s(u, i) = p_u · q_i + b_u + b_i.

    A user's bias is the last entry of the user's vector, so that fold-in computes it too. It does
    not change the ranking of items, but it does change the probabilities that bce learns.
    """

    def __init__(self, train: Dataset, config: MFConfig) -> None:
        super().__init__(train, config)
        self.users = nn.Embedding(train.n_users, config.embedding_size + 1)
        self.items = nn.Embedding(train.n_items, config.embedding_size)
        self.biases = nn.Embedding(train.n_items, 1)
        nn.init.normal_(self.users.weight, std=0.05)
        nn.init.normal_(self.items.weight, std=0.05)
        nn.init.zeros_(self.users.weight[:, -1])
        nn.init.zeros_(self.biases.weight)

    @override
    def parts(self) -> PairParts:
        size = self.items.embedding_dim
        return PairParts(self.users, self.items, product=size, biases=self.biases)

    def item_lengths(self, items: torch.Tensor) -> torch.Tensor:
        """Includes the biases: unpenalised, they would rank popular items high for every user."""
        return super().item_lengths(items) + self.biases(items).square().squeeze(-1)

    @override
    def score_vectors(self, vectors: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        products = torch.einsum("nd,ncd->nc", vectors[:, :-1], self.items(items))
        return products + vectors[:, -1:] + self.biases(items).squeeze(-1)

    @override
    def score_all(self, vectors: torch.Tensor) -> torch.Tensor:
        products = vectors[:, :-1] @ self.items.weight.T
        return products + vectors[:, -1:] + self.biases.weight.T

    def keys(self) -> torch.Tensor:
        """Returns (n_items, d + 2): the vector, the item's bias, and a 1 for the user's bias."""
        return torch.cat([self.items.weight, pad(self.biases.weight, (0, 1), value=1)], dim=1)

    def queries(self, vectors: torch.Tensor) -> torch.Tensor:
        """Returns (n, d + 2): the vector, a 1 for the item's bias, and the user's bias."""
        factors, biases = vectors[:, :-1], vectors[:, -1:]
        return torch.cat([pad(factors, (0, 1), value=1), biases], dim=1)


class MF(VectorModel):
    """Matrix factorization: a product of two vectors, with biases and a choice of losses.

    An unseen user gets a vector by fold-in.
    """

    name = "mf"
    config_class = MFConfig
    config: MFConfig
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((32, 64, 128, 256)),
        "learning_rate": Float(1e-3, 2e-2, log=True),
        "regularization": Float(0.003, 0.1, log=True),
        "regularization_exponent": Float(0.25, 1.0),
    }

    def _new_network(self, train: Dataset) -> MFNetwork:
        return MFNetwork(train, self.config)
