"""Maximal marginal relevance against the definition, one user and one place at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.ranking import diversify as module
from tastemaker.ranking.diversify import diversify, marginal_relevance
from tastemaker.ranking.similarity import VectorSimilarity
from tastemaker.ranking.topk import plain_top_k


def naive(scores: list[float], similarity: np.ndarray, k: int, diversity: float) -> list[int]:
    low, high = min(scores), max(scores)
    relevance = [(s - low) / (high - low) if high > low else 0.0 for s in scores]
    chosen: list[int] = [0]
    while len(chosen) < min(k, len(scores)):
        left = [i for i in range(len(scores)) if i not in chosen]
        worth = [
            (1 - diversity) * relevance[i] - diversity * max(similarity[i, j] for j in chosen)
            for i in left
        ]
        chosen.append(left[int(np.argmax(worth))])
    return chosen


@given(st.integers(0, 10**6), st.integers(1, 6), st.floats(0, 1))
def test_the_choice_is_that_of_the_definition(seed: int, k: int, diversity: float) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((3, 9, 4))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    similarity = vectors @ vectors.swapaxes(1, 2)
    scores = -np.sort(-random.standard_normal((3, 9)), axis=1)
    chosen = marginal_relevance(
        torch.from_numpy(scores), torch.from_numpy(similarity), k, diversity
    )
    for row in range(3):
        assert chosen[row].tolist() == naive(scores[row].tolist(), similarity[row], k, diversity)


def test_no_diversity_leaves_the_order_and_full_diversity_looks_for_the_unlike() -> None:
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.01], [1.0, 0.02], [0.0, 1.0]])
    top = plain_top_k(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), 4)
    similarity = VectorSimilarity(vectors).within
    assert diversify(top, similarity, 3, 0.0).items.tolist() == [[0, 1, 2]]
    found = diversify(top, similarity, 2, 1.0)
    assert found.items.tolist() == [[0, 3]]
    assert found.scores.tolist() == [[4.0, 1.0]], "the scores that they came with"


def test_no_candidates_are_chosen_last_and_lists_stay_short() -> None:
    scores = torch.tensor([[2.0, 1.0, -torch.inf, -torch.inf]])
    top = plain_top_k(scores, 4)
    found = diversify(top, VectorSimilarity(torch.eye(4)).within, 3, 1.0)
    assert found.lengths.tolist() == [2]
    assert found.items[0, :2].tolist() == [0, 1]


@pytest.mark.parametrize("n_users", [0, 5])
def test_blocks_of_users_give_what_all_at_once_give(monkeypatch, n_users: int) -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(30, 4, generator=generator)
    top = plain_top_k(torch.randn(n_users, 30, generator=generator), 20)
    whole = diversify(top, VectorSimilarity(vectors).within, 6, 0.4)
    monkeypatch.setattr(module, "SIMILARITIES_AT_ONCE", 2 * 20**2)
    assert torch.equal(diversify(top, VectorSimilarity(vectors).within, 6, 0.4).items, whole.items)
