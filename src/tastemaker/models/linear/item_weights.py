"""The weights of the items of a history in the scores of all items: a dense or a sparse matrix."""

from typing import Protocol

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch.nn.functional import embedding_bag
from typing_extensions import override

from tastemaker.memory import refuse_beyond_memory
from tastemaker.ranking.similarity import ItemSimilarity, SparseSimilarity, VectorSimilarity


class ItemWeights(Protocol):
    """Weights B (n_items, n_items): a history h has the scores hB."""

    def scores(self, histories: csr_matrix) -> torch.Tensor:
        """Returns the scores (n, n_items) float32 of histories (n, n_items)."""

    def between(self, history: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Returns the weights of (h,) items in the scores of (c,) items: (c, h) float32."""

    @property
    def similarity(self) -> ItemSimilarity:
        """The cosine similarity of the rows of B."""

    @property
    def dense(self) -> torch.Tensor:
        """B as (n_items, n_items) float32.

        Raises:
            UnsupportedError: it does not fit into memory.
        """


class DenseWeights(ItemWeights):
    """Weights of which nearly all differ from 0."""

    def __init__(self, weights: torch.Tensor) -> None:
        """Takes B as (n_items, n_items) float32, which is not copied."""
        self._weights = weights

    @override
    def scores(self, histories: csr_matrix) -> torch.Tensor:
        items, offsets = torch.from_numpy(histories.indices), torch.from_numpy(histories.indptr)
        return embedding_bag(
            items, self._weights, offsets, mode="sum",
            per_sample_weights=torch.from_numpy(histories.data), include_last_offset=True,
        )  # fmt: skip

    @override
    def between(self, history: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        return self._weights[history][:, items].T

    @property
    @override
    def similarity(self) -> VectorSimilarity:
        return VectorSimilarity(self._weights)

    @property
    @override
    def dense(self) -> torch.Tensor:
        return self._weights


class SparseWeights(ItemWeights):
    """Weights of which nearly all are 0."""

    def __init__(self, weights: csr_matrix) -> None:
        """Takes B as (n_items, n_items) float32, which SciPy may sort in place."""
        self._weights = weights

    @override
    def scores(self, histories: csr_matrix) -> torch.Tensor:
        return torch.from_numpy((histories @ self._weights).toarray())

    @override
    def between(self, history: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self._weights[history.numpy()][:, items.numpy()].toarray().T)

    @property
    @override
    def similarity(self) -> SparseSimilarity:
        return SparseSimilarity(self._weights)

    @property
    @override
    def dense(self) -> torch.Tensor:
        n_items = self._weights.shape[0]
        refuse_beyond_memory(
            3 * 4 * n_items**2,
            f"all weights between {n_items:,} items",
            "keep fewer items with k_core()",
        )
        return torch.from_numpy(self._weights.toarray())


def rows_of_neighbours(neighbours: torch.Tensor, values: torch.Tensor) -> csr_matrix:
    """Returns the matrix whose row i has the given values in the columns of i's neighbours.

    Args:
        neighbours: (n_items, k) int32 codes.
        values: (n_items, k) float32.

    Returns:
        (n_items, n_items) float32, a copy.
    """
    n_items, k = neighbours.shape
    ends = np.arange(n_items + 1) * k
    return csr_matrix(
        (values.flatten().numpy(), neighbours.flatten().numpy(), ends),
        shape=(n_items, n_items), copy=True,
    )  # fmt: skip
