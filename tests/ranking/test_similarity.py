"""Similarity of dense and of sparse vectors against the cosine as it is defined."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from tastemaker.ranking import similarity
from tastemaker.ranking.similarity import SparseSimilarity, VectorSimilarity


@pytest.fixture
def vectors() -> np.ndarray:
    """One of them is nothing."""
    random = np.random.default_rng(0)
    numbers = random.standard_normal((12, 7)) * (random.random((12, 7)) < 0.5)
    numbers[4] = 0
    return numbers.astype(np.float32)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / lengths) if lengths else 0.0


def test_the_cosine_is_that_of_the_definition_dense_or_sparse(vectors) -> None:
    items = torch.tensor([[3, 4, 5], [11, 0, 3]])
    for ways in (
        VectorSimilarity(torch.from_numpy(vectors)),
        SparseSimilarity(csr_matrix(vectors)),
    ):
        whole = [[cosine(vectors[i], other) for other in vectors] for i in (3, 4, 5)]
        np.testing.assert_allclose(ways.to_all(items[0]), whole, atol=1e-6)
        within = [[[cosine(vectors[i], vectors[j]) for j in row] for i in row] for row in items]
        np.testing.assert_allclose(ways.within(items), within, atol=1e-6)
        assert ways.within(items[:0]).shape == (0, 3, 3)


def test_blocks_of_rows_give_what_all_at_once_give(vectors, monkeypatch) -> None:
    items = torch.randint(12, (5, 3), generator=torch.Generator().manual_seed(0))
    whole = VectorSimilarity(torch.from_numpy(vectors)).within(items)
    monkeypatch.setattr(similarity, "NUMBERS_AT_ONCE", 2 * 3 * 7)
    torch.testing.assert_close(VectorSimilarity(torch.from_numpy(vectors)).within(items), whole)
