"""ItemKNN against values worked out by hand and against the package implicit."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

import tastemaker as tm
from tastemaker.models.linear.itemknn import ItemKNN
from tastemaker.ranking.similarity import VectorSimilarity
from tastemaker.testing.worlds import dataset_of, two_tastes

# Three users: items 0 and 1 share two of them, 0 and 2 one, 1 and 2 one, 3 and 2 one.
BY_HAND = {0: [0, 1], 1: [0, 1, 2], 2: [2, 3]}


def similarities(model: ItemKNN) -> np.ndarray:
    """(n_items, n_items), 0 for what is not among the neighbours."""
    state = model.state()
    n_items = len(state["neighbours"])
    whole = torch.zeros(n_items, n_items)
    return whole.scatter_(1, state["neighbours"].long(), state["similarities"]).numpy()


def test_the_cosine_by_hand() -> None:
    model = ItemKNN(similarity="cosine").fit(tm.no_holdout(dataset_of(BY_HAND)))
    half, third = 1 / 2, 1 / np.sqrt(2)
    expected = [[0, 1, half, 0], [1, 0, half, 0], [half, half, 0, third], [0, 0, third, 0]]
    np.testing.assert_allclose(similarities(model), expected, atol=1e-6)


def test_a_score_is_the_sum_of_the_similarities_to_the_history() -> None:
    model = ItemKNN(similarity="cosine").fit(tm.no_holdout(dataset_of(BY_HAND)))
    scores = model.score(model.unseen_users([[0, 3], [2, 2]]))
    half, third = 1 / 2, 1 / np.sqrt(2)
    expected = [
        [0, 1, half + third, 0],
        [half, half, 0, third],
    ]  # what is touched twice counts once
    np.testing.assert_allclose(scores.numpy(), expected, atol=1e-6)


def test_only_the_nearest_neighbours_count_and_a_tie_goes_to_the_lower_code() -> None:
    model = ItemKNN(similarity="cosine", neighbours=1).fit(tm.no_holdout(dataset_of(BY_HAND)))
    assert model.state()["neighbours"].flatten().tolist() == [1, 0, 3, 2]
    tied = dataset_of({0: [0, 1, 2]})
    model = ItemKNN(similarity="cosine", neighbours=1).fit(tm.no_holdout(tied))
    assert model.state()["neighbours"].flatten().tolist() == [1, 0, 0]


@pytest.mark.parametrize("similarity", ["cosine", "tfidf", "bm25"])
def test_the_similarities_are_those_of_the_package_implicit(similarity) -> None:
    package = pytest.importorskip("implicit.nearest_neighbours")
    recommender = {
        "cosine": package.CosineRecommender(K=40),
        "tfidf": package.TFIDFRecommender(K=40),
        "bm25": package.BM25Recommender(K=40, K1=2.0, B=0.3),
    }[similarity]
    data = two_tastes(n_users=50, n_items=40, length=9, seed=2)
    with warnings.catch_warnings(action="ignore"):  # it warns of its own conversions
        recommender.fit(
            csr_matrix((np.ones(len(data)), (data.users, data.items))), show_progress=False
        )
    expected = recommender.similarity.toarray()
    np.fill_diagonal(expected, 0)
    model = ItemKNN(similarity=similarity, neighbours=40, k1=2.0, b=0.3).fit(tm.no_holdout(data))
    np.testing.assert_allclose(similarities(model), expected, rtol=1e-5, atol=1e-6)


def test_an_untouched_item_is_similar_to_no_item() -> None:
    data = two_tastes()
    without = data.rows(data.items != 3)
    model = ItemKNN().fit(tm.no_holdout(without))
    assert similarities(model)[3].tolist() == [0] * 40
    assert model.score(model.unseen_users([[0, 1]])).isfinite().all()


def test_users_who_touched_every_item_do_not_break_the_weights() -> None:
    everything = dataset_of({user: [0, 1, 2] for user in range(4)})
    for similarity in ("cosine", "tfidf", "bm25"):
        model = ItemKNN(similarity=similarity).fit(tm.no_holdout(everything))
        assert model.score(model.users([0, 1])).isfinite().all()


def test_similarity_needs_no_dense_matrix_and_is_that_of_one(monkeypatch) -> None:
    model = ItemKNN().fit(tm.no_holdout(two_tastes()))
    plain = VectorSimilarity(model.item_vectors)
    monkeypatch.delattr(ItemKNN, "item_vectors")
    items = torch.tensor([[3, 0, 7], [39, 20, 3]])
    torch.testing.assert_close(model.item_similarity.to_all(items[0]), plain.to_all(items[0]))
    torch.testing.assert_close(model.item_similarity.within(items), plain.within(items))
    assert len(model.similar_items([3, 9], k=4)) == 8


@pytest.mark.parametrize("similarity", ["cosine", "tfidf", "bm25"])
def test_weights_are_the_term_frequencies(similarity: str) -> None:
    data = two_tastes(n_users=30, n_items=12, length=4)
    values = np.random.default_rng(0).uniform(0.1, 9, len(data)).astype(np.float32)
    x = np.zeros((12, 30))
    x[data.items, data.users] = values
    rarity = np.log(12 / (1 + (x > 0).sum(axis=0)))
    lengths = x.sum(axis=1, keepdims=True)
    vectors = {
        "cosine": x,
        "tfidf": x * rarity,
        "bm25": 3 * x / (x + 2 * (0.7 + 0.3 * lengths / lengths.mean())) * rarity,
    }[similarity]
    if similarity != "bm25":
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = vectors @ vectors.T
    np.fill_diagonal(expected, 0)
    model = ItemKNN(similarity=similarity, neighbours=12, k1=2.0, b=0.3)
    model.fit(tm.no_holdout(replace(data, weights=values)))
    np.testing.assert_allclose(similarities(model), expected, rtol=1e-5, atol=1e-6)
    scores = model.score(model.users([4]))[0]
    np.testing.assert_allclose(scores.numpy(), x[:, 4] @ expected, rtol=1e-4)
