"""Similarity of items: the cosine similarity of their vectors, dense or sparse."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from scipy.sparse import csr_array, csr_matrix, diags_array
from torch.nn.functional import normalize
from typing_extensions import override

from tastemaker.representation import short_repr, with_values

MIN_LENGTH = 1e-12
"""Smallest length to divide by, so that a zero vector has similarity 0 to every item, not NaN."""

NUMBERS_AT_ONCE = 1 << 24
"""Maximum number of vector elements copied at a time (64 MiB)."""


class ItemSimilarity(Protocol):
    """Computes similarities between items, from -1 to 1."""

    def to_all(self, items: torch.Tensor) -> torch.Tensor:
        """Returns the similarities of the given items (m,) to all items: (m, n_items)."""

    def within(self, items: torch.Tensor) -> torch.Tensor:
        """Returns the similarities between the items (n, c) of each row: (n, c, c)."""


@dataclass(frozen=True, eq=False)
class VectorSimilarity(ItemSimilarity):
    """The cosine similarity of dense vectors."""

    vectors: torch.Tensor
    """(n_items, d) float32."""

    __repr__ = short_repr

    @override
    def to_all(self, items: torch.Tensor) -> torch.Tensor:
        # Normalizing all vectors would copy them, and they may be as large as EASE's weights.
        lengths = self.vectors.norm(dim=1).clamp(min=MIN_LENGTH)
        return normalize(self.vectors[items], dim=1) @ self.vectors.T / lengths

    @override
    def within(self, items: torch.Tensor) -> torch.Tensor:
        step = max(1, NUMBERS_AT_ONCE // (items.shape[1] * self.vectors.shape[1]))
        units = (normalize(self.vectors[part], dim=2) for part in items.split(step))
        return torch.cat([unit @ unit.mT for unit in units])


class SparseSimilarity(ItemSimilarity):
    """The cosine similarity of sparse vectors."""

    def __init__(self, vectors: csr_array | csr_matrix) -> None:
        vectors = csr_array(vectors)
        lengths = np.sqrt(vectors.power(2).sum(axis=1))
        self._unit = csr_array(diags_array(1 / np.maximum(lengths, MIN_LENGTH)) @ vectors)

    def __repr__(self) -> str:
        return with_values(type(self).__name__, [("vectors", self._unit)])

    @override
    def to_all(self, items: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy((self._unit[items.numpy()] @ self._unit.T).toarray()).float()

    @override
    def within(self, items: torch.Tensor) -> torch.Tensor:
        within = torch.empty(*items.shape, items.shape[1])
        for row, codes in enumerate(items.numpy()):
            unit = self._unit[codes]
            within[row] = torch.from_numpy((unit @ unit.T).toarray())
        return within
