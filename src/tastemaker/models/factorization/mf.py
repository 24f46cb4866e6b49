"""MF: matrix factorization, the product of a user's and an item's vector, with biases.

Yehuda Koren, Robert Bell and Chris Volinsky, 2009: Matrix Factorization Techniques for Recommender
Systems (Computer). Steffen Rendle, Walid Krichene, Li Zhang and John Anderson, 2020: Neural
Collaborative Filtering vs. Matrix Factorization Revisited (RecSys) show that a well-tuned product
is hard to beat. With features, a vector also contains those of the features, as in LightFM: Maciej
Kula, 2015: Metadata Embeddings for User and Item Cold-start Recommendations (CBRecSys).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import pad
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.data.features import NO_ENCODERS, Encoded, Encoders
from tastemaker.errors import DataError
from tastemaker.models.factorization.featured import FeaturedEmbedding
from tastemaker.models.factorization.vector_model import (
    LossName,
    Table,
    VectorModel,
    VectorModelConfig,
    VectorNetwork,
)
from tastemaker.models.feature_vectors import FeatureVectors
from tastemaker.models.recommender import NewItemKeys
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
    features: bool = False
    """Whether the vectors and biases of items and users also contain those of their features, where
    the data have any; new items and users then have a vector."""


class MFNetwork(VectorNetwork):
    """Computes s(u, i) = p_u · q_i + b_u + b_i.

    A user's bias is the last entry of the user's vector, so that fold-in computes it too. It does
    not change the ranking of items, but it does change the probabilities that bce learns.
    """

    def __init__(self, train: Dataset, config: MFConfig, encoders: Encoders = NO_ENCODERS) -> None:
        super().__init__(train, config)
        size = config.embedding_size
        users, items = nn.Embedding(train.n_users, size + 1), nn.Embedding(train.n_items, size)
        biases = nn.Embedding(train.n_items, 1)
        nn.init.normal_(users.weight, std=0.05)
        nn.init.normal_(items.weight, std=0.05)
        nn.init.zeros_(users.weight[:, -1])
        nn.init.zeros_(biases.weight)
        self.users: Table = users
        self.items: Table = items
        self.biases: Table = biases
        if encoders.users is not None:
            of_users = FeatureVectors.of_users(encoders.users, train, size + 1)
            self.users = FeaturedEmbedding(users, of_users, train.user_counts)
        if encoders.items is not None:
            of_items = FeatureVectors.of_items(encoders.items, train, size)
            self.items = FeaturedEmbedding(items, of_items, train.item_counts)
            of_biases = FeatureVectors.of_items(encoders.items, train, 1)
            self.biases = FeaturedEmbedding(biases, of_biases, train.item_counts)

    @override
    def parts(self) -> PairParts | None:
        users, items, biases = self.users, self.items, self.biases
        if not (
            isinstance(users, nn.Embedding)
            and isinstance(items, nn.Embedding)
            and isinstance(biases, nn.Embedding)
        ):
            return None
        return PairParts(users, items, product=items.embedding_dim, biases=biases)

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
        return _keys(self.items.weight, self.biases.weight)

    def new_keys(self, encoded: Encoded) -> torch.Tensor | None:
        """Returns the keys (n, d + 2) of items that are not in the data; None without features."""
        items, biases = self.items, self.biases
        if not (isinstance(items, FeaturedEmbedding) and isinstance(biases, FeaturedEmbedding)):
            return None
        return _keys(items.features.of(encoded), biases.features.of(encoded))

    def queries(self, vectors: torch.Tensor) -> torch.Tensor:
        """Returns (n, d + 2): the vector, a 1 for the item's bias, and the user's bias."""
        factors, biases = vectors[:, :-1], vectors[:, -1:]
        return torch.cat([pad(factors, (0, 1), value=1), biases], dim=1)


def _keys(vectors: torch.Tensor, biases: torch.Tensor) -> torch.Tensor:
    """Returns vectors (n, d), biases (n, 1) and ones as (n, d + 2)."""
    return torch.cat([vectors, pad(biases, (0, 1), value=1)], dim=1)


class MF(VectorModel):
    """Matrix factorization: a product of two vectors, with biases and a choice of losses.

    An unseen user gets a vector by fold-in; with features, the prior is centred at theirs.
    """

    name = "mf"
    config_class = MFConfig
    config: MFConfig
    _network: MFNetwork
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((32, 64, 128, 256)),
        "learning_rate": Float(1e-3, 2e-2, log=True),
        "regularization": Float(0.003, 0.1, log=True),
        "regularization_exponent": Float(0.25, 1.0),
    }

    def _new_network(self, train: Dataset) -> MFNetwork:
        if not self.config.features:
            return MFNetwork(train, self.config)
        encoders = self._fitted_encoders(train)
        if encoders == NO_ENCODERS:
            raise DataError(
                f"{train.name}: features=True reads features of items and users, but the data have "
                "none; give a table of items or users with further columns (items=…, users=…), or "
                "leave out features=True"
            )
        return MFNetwork(train, self.config, encoders)

    @torch.no_grad()
    def new_item_keys(self, rows: Sequence[Mapping[str, Any]]) -> NewItemKeys | None:
        """Implements `Recommender.new_item_keys` for a model that reads the items' features."""
        encoder = None if self.encoders is None else self.encoders.items
        if encoder is None:
            return None
        encoded = encoder.encode_rows(rows)
        keys = self._network.new_keys(encoded)
        return None if keys is None else NewItemKeys(keys, encoded.is_known)
