"""Neural Collaborative Filtering: a small network maps a user's and an item's vector to a logit.

Xiangnan He, Lizi Liao, Hanwang Zhang, Liqiang Nie, Xia Hu and Tat-Seng Chua, 2017: Neural
Collaborative Filtering (WWW), the MLP of section 3.3. The defaults are those of a widely read
tutorial: embeddings of 8, layers of 64 and 32, four negatives per positive, Adam, five epochs.
"""

import itertools
from typing import ClassVar, Protocol

import torch
from pydantic import Field, PositiveInt
from torch import nn
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.models.factorization.vector_model import (
    VectorModel,
    VectorModelConfig,
    VectorNetwork,
)
from tastemaker.models.space import Choice, Float, Range
from tastemaker.training.kernels.pairs import PairParts


class NCFConfig(VectorModelConfig):
    """Settings of NCF."""

    batch_size: int = Field(512, ge=1)
    """Positives in a batch, each with its negatives; users in a batch for the softmax loss. Of
    sizes from 128 to 4,096, 512 reached any quality soonest on MovieLens 1M's validation part."""
    learning_rate: float = Field(1e-2, gt=0)
    """Learning rate of Adam; ten times the usual one did best on MovieLens validation parts."""
    embedding_size: int = Field(8, ge=1)
    """Dimension of the user and item vectors."""
    hidden: tuple[PositiveInt, ...] = Field((64, 32), min_length=1)
    """Widths of the fully connected layers, each followed by a ReLU."""


class NCFNetwork(VectorNetwork):
    """Computes f(u, i) = w · relu(… W2 relu(W1 [p_u; q_i] + b1) …) + b.

    W1 [p_u; q_i] = W1_user p_u + W1_item q_i: the user's half is computed once and shared by the
    positive and all its negatives, which saves much of the work.
    """

    users: nn.Embedding
    items: nn.Embedding

    def __init__(self, train: Dataset, config: NCFConfig) -> None:
        super().__init__(train, config)
        first_width, *other_widths = config.hidden
        self.users = nn.Embedding(train.n_users, config.embedding_size)
        self.items = nn.Embedding(train.n_items, config.embedding_size)
        # As in the paper: with PyTorch's default deviation of 1, training is far slower.
        nn.init.normal_(self.users.weight, std=0.01)
        nn.init.normal_(self.items.weight, std=0.01)
        self.first_user = nn.Linear(config.embedding_size, first_width)
        self.first_item = nn.Linear(config.embedding_size, first_width, bias=False)
        layers: list[nn.Module] = [nn.ReLU(inplace=True)]
        for width, next_width in itertools.pairwise((first_width, *other_widths)):
            layers += [nn.Linear(width, next_width), nn.ReLU(inplace=True)]
        self.tower = nn.Sequential(*layers)
        self.output = nn.Linear(config.hidden[-1], 1)

    @override
    def parts(self) -> PairParts:
        return PairParts(self.users, self.items, tower=tower_layers(self), output=self.output)

    @override
    def score_vectors(self, vectors: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        return self._logits(vectors, self.items(items))

    @override
    def score_all(self, vectors: torch.Tensor) -> torch.Tensor:
        return self._logits(vectors, self.items.weight[None])

    def features(self, vectors: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Returns the last hidden layer for user vectors (n, d) and item vectors (n or 1, c, d)."""
        return self.tower(self.first_user(vectors)[:, None] + self.first_item(items))  # (n, c, h)

    def _logits(self, vectors: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        return self.output(self.features(vectors, items)).squeeze(-1)


class HasTower(Protocol):
    """A network that has, among others, the layers of NCFNetwork."""

    first_user: nn.Linear
    first_item: nn.Linear
    tower: nn.Sequential


def tower_layers(network: HasTower) -> tuple[nn.Linear, ...]:
    """Returns the halves of the first layer and the layers after it, as for `PairParts.tower`."""
    other_layers = [layer for layer in network.tower if isinstance(layer, nn.Linear)]
    return (network.first_user, network.first_item, *other_layers)


class NCF(VectorModel):
    """Neural collaborative filtering with a tutorial's layer sizes: a small network on two vectors.

    An unseen user gets a vector by fold-in, a few steps of optimisation on that vector alone.
    """

    name = "ncf"
    config_class = NCFConfig
    config: NCFConfig
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((8, 16, 32, 64)),
        "learning_rate": Float(1e-3, 3e-2, log=True),
        "weight_decay": Float(1e-7, 1e-4, log=True),
        "negatives": Choice((2, 4, 8)),
    }

    def _new_network(self, train: Dataset) -> NCFNetwork:
        return NCFNetwork(train, self.config)


class MLPConfig(NCFConfig):
    """Settings of MLP: NCF with the sizes of the paper's own code, 8 predictive factors."""

    epochs: int = Field(20, ge=1)
    """Passes over all positives."""
    batch_size: int = Field(1024, ge=1)
    """Positives in a batch, each with its negatives; users in a batch for the softmax loss."""
    embedding_size: int = Field(32, ge=1)
    """Dimension of the user and item vectors."""
    hidden: tuple[PositiveInt, ...] = Field((32, 16, 8), min_length=1)
    """Widths of the fully connected layers, each half the one before, as in the paper."""


class MLP(NCF):
    """Neural collaborative filtering with the paper's tower: 32, 16 and 8; one half of NeuMF."""

    name = "mlp"
    config_class = MLPConfig
    config: MLPConfig
