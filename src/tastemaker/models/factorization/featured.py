"""A table of vectors whose rows also contain the vectors of features."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import embedding
from typing_extensions import override

from tastemaker.data.users import UserBatch
from tastemaker.models.feature_vectors import FeatureVectors


class FeaturedEmbedding(nn.Module):
    """The vector of a user or an item: its own plus the sum of those of its features.

    Maciej Kula, 2015: Metadata Embeddings for User and Item Cold-start Recommendations (CBRecSys).
    A row without interactions in training has no vector of its own.
    """

    def __init__(self, own: nn.Embedding, features: FeatureVectors, counts: np.ndarray) -> None:
        super().__init__()
        self.own, self.features = own, features
        self._has_own: torch.Tensor
        has_own = torch.from_numpy(counts > 0).float()[:, None]
        self.register_buffer("_has_own", has_own, persistent=False)
        self._whole: torch.Tensor | None = None

    @property
    def embedding_dim(self) -> int:
        """Dimension of the vectors."""
        return self.own.embedding_dim

    @property
    def weight(self) -> torch.Tensor:
        """(n, embedding_dim) vectors of all rows; computed once after training."""
        if self.training:
            return self.own.weight * self._has_own + self.features(None)
        if self._whole is None:
            with torch.no_grad():
                self._whole = self.own.weight * self._has_own + self.features(None)
        return self._whole

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Returns the vectors (…, embedding_dim) of codes (…,)."""
        if not self.training:
            return embedding(rows, self.weight)
        return self.own(rows) * self._has_own[rows] + self.features(rows)

    def of_batch(self, users: UserBatch) -> torch.Tensor:
        """Returns the vectors (n, embedding_dim) of users, from the features of the batch if given.

        The own vector of an unseen user is 0.
        """
        codes = torch.from_numpy(users.codes).to(self.own.weight.device)
        rows = codes.clamp(min=0)
        own = self.own(rows) * self._has_own[rows] * (codes >= 0)[:, None]
        return own + self.features.of_batch(users)

    @override
    def train(self, mode: bool = True) -> "FeaturedEmbedding":
        self._whole = None
        return super().train(mode)
