"""What lists are like: worked out by hand, and against naive loops."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.metrics import lists as metrics
from tastemaker.metrics.lists import (
    average_popularity,
    coverage,
    first,
    gini,
    intra_list_diversity,
    long_tail,
    long_tail_fraction,
    miscalibration,
    novelty,
    tail_lift,
)

N_ITEMS = 12
RANDOM_LISTS = st.lists(
    st.lists(st.integers(0, N_ITEMS - 1), max_size=6, unique=True), min_size=1, max_size=8
)
NAN = pytest.approx(float("nan"), nan_ok=True)


def ragged(lists: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    items = np.array([item for listed in lists for item in listed], dtype=np.int64)
    return items, np.cumsum([0, *map(len, lists)])


def category_weights(seed: int = 0, n_categories: int = 4) -> np.ndarray:
    """Rows that sum to 1; of items 0 and 5 nothing is known."""
    weights = np.random.default_rng(seed).integers(0, 3, (N_ITEMS, n_categories)).astype(float)
    weights[:, 0] += 1
    weights[[0, 5]] = 0
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)


@given(RANDOM_LISTS, st.integers(1, 8))
def test_first_cuts_every_list_and_leaves_short_ones_as_they_are(
    lists: list[list[int]], k: int
) -> None:
    items, indptr = first(*ragged(lists), k)
    assert [items[a:b].tolist() for a, b in pairwise(indptr)] == [listed[:k] for listed in lists]


def test_novelty_is_the_information_in_bits() -> None:
    counts = np.array([8, 4, 1, 0])  # of 8 users
    items, indptr = ragged([[0], [1], [0, 1, 2], [3], []])
    assert novelty(items, indptr, counts, n_users=8).tolist() == [
        0, 1, pytest.approx(4 / 3), 3, NAN
    ]  # fmt: skip


def test_popularity_and_long_tail_are_means_over_the_list() -> None:
    counts = np.array([10, 6, 1, 0])
    items, indptr = ragged([[0, 2], [3], [], [0, 1, 2, 3]])
    assert average_popularity(items, indptr, counts).tolist() == [5.5, 0, NAN, 4.25]
    is_tail = np.array([False, False, True, True])
    assert long_tail_fraction(items, indptr, is_tail).tolist() == [0.5, 1, NAN, 0.5]


def test_the_long_tail_is_all_but_the_most_popular_fifth() -> None:
    counts = np.array([1, 5, 9, 5, 0, 0, 0, 0, 0, 0])
    assert np.flatnonzero(~long_tail(counts)).tolist() == [1, 2], "of the tied, the lower code"
    assert np.flatnonzero(~long_tail(counts, head_fraction=0.3)).tolist() == [1, 2, 3]
    assert long_tail(counts, head_fraction=0).all()


def test_lists_that_favour_the_popular_have_a_tail_lift_below_one() -> None:
    counts, is_tail = np.array([6, 2, 2]), np.array([False, True, True])
    assert tail_lift(np.array([0.2, 0.2, np.nan]), counts, is_tail) == pytest.approx(0.5)
    assert tail_lift(np.array([0.4, 0.4, np.nan]), counts, is_tail) == pytest.approx(1)
    assert tail_lift(np.array([np.nan]), counts, is_tail) == NAN
    assert tail_lift(np.array([0.5]), np.array([3, 0, 0]), is_tail) == NAN


def test_diversity_of_lists_that_one_can_see() -> None:
    vectors = np.array([[1, 0], [3, 0], [0, 1], [-2, 0], [0, 0], [1, 1]], dtype=float)
    items, indptr = ragged([[0, 1], [0, 2], [0, 3], [0, 1, 2], [0], [], [0, 4], [0, 4, 2], [0, 5]])
    assert intra_list_diversity(items, indptr, vectors).tolist() == pytest.approx(
        [0, 1, 2, 2 / 3, math.nan, math.nan, math.nan, 1, 1 - math.sqrt(0.5)], nan_ok=True
    )


def diversity_by_loops(lists: list[list[int]], vectors: np.ndarray) -> list[float]:
    values = []
    for listed in lists:
        known = [vectors[i] / np.linalg.norm(vectors[i]) for i in listed if vectors[i].any()]
        pairs = [1 - float(a @ b) for a, b in combinations(known, 2)]
        values.append(sum(pairs) / len(pairs) if pairs else math.nan)
    return values


@given(RANDOM_LISTS, st.integers(0, 99))
def test_diversity_is_the_mean_over_all_pairs(lists: list[list[int]], seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(N_ITEMS, 3))
    vectors[[0, 5]] = 0
    values = intra_list_diversity(*ragged(lists), vectors)
    np.testing.assert_allclose(values, diversity_by_loops(lists, vectors), atol=1e-12)


def test_a_list_is_calibrated_that_has_the_proportions_of_the_history() -> None:
    categories = np.array([[1, 0], [0, 1], [0.5, 0.5], [0, 0]])
    histories, history_indptr = ragged([[0, 1], [0, 0, 0, 1], [0], [3], [0, 3], [0, 1]])
    items, indptr = ragged([[2], [0, 1], [1], [0], [0], [3]])
    values = miscalibration(items, indptr, histories, history_indptr, categories)
    # p = (3/4, 1/4) against q' = (0.5025, 0.4975).
    uneven = 0.75 * math.log(0.75 / 0.5025) + 0.25 * math.log(0.25 / 0.4975)
    assert values.tolist() == pytest.approx(
        [0, uneven, -math.log(0.01), math.nan, 0, math.nan], nan_ok=True
    )


def miscalibration_by_loops(
    lists: list[list[int]], histories: list[list[int]], categories: np.ndarray
) -> list[float]:
    def proportions(items: list[int]) -> list[float]:
        sums = [sum(categories[i][g] for i in items) for g in range(categories.shape[1])]
        return [s / sum(sums) for s in sums] if sum(sums) > 0 else [math.nan] * len(sums)

    values = []
    for listed, history in zip(lists, histories, strict=True):
        p, q = proportions(history), proportions(listed)
        mixed = [0.99 * b + 0.01 * a for a, b in zip(p, q, strict=True)]
        terms = [a * math.log(a / m) for a, m in zip(p, mixed, strict=True) if a != 0]
        values.append(sum(terms))
    return values


@given(RANDOM_LISTS, st.integers(0, 99))
def test_miscalibration_is_the_divergence_of_steck(lists: list[list[int]], seed: int) -> None:
    random = np.random.default_rng(seed)
    histories = [random.integers(0, N_ITEMS, random.integers(0, 5)).tolist() for _ in lists]
    categories = category_weights(seed)
    values = miscalibration(*ragged(lists), *ragged(histories), categories)
    expected = miscalibration_by_loops(lists, histories, categories)
    np.testing.assert_allclose(values, expected, atol=1e-12)


def test_few_lists_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    lists, histories = (
        [random.integers(0, N_ITEMS, n).tolist() for n in random.integers(0, 9, 50)]
        for _ in range(2)
    )
    categories = category_weights()

    def values() -> list[np.ndarray]:
        return [
            intra_list_diversity(*ragged(lists), categories),
            miscalibration(*ragged(lists), *ragged(histories), categories),
        ]

    expected = values()
    monkeypatch.setattr(metrics, "NUMBERS_AT_ONCE", 20)
    np.testing.assert_allclose(values(), expected)


def test_coverage_is_the_share_of_the_catalog_that_is_listed() -> None:
    assert coverage(np.array([0, 0, 3]), n_items=8) == 0.25
    assert coverage(np.array([], dtype=np.int64), n_items=8) == 0


def test_gini_goes_from_equal_to_all_for_one() -> None:
    assert gini(np.array([0, 1, 2, 3]), n_items=4) == 0
    assert gini(np.array([2, 2, 2]), n_items=4) == 1
    # Shares 0, 1/3 and 2/3: (-2 · 0 + 0 · 1/3 + 2 · 2/3) over 2.
    assert gini(np.array([0, 2, 2]), n_items=3) == pytest.approx(2 / 3)
    assert gini(np.array([0, 0]), n_items=1) == 0
    assert gini(np.array([], dtype=np.int64), n_items=4) == NAN


@given(st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=30))
def test_gini_is_the_mean_difference_of_all_pairs(items: list[int]) -> None:
    times = [items.count(item) for item in range(N_ITEMS)]
    differences = sum(abs(a - b) for a in times for b in times)
    expected = differences / (2 * (N_ITEMS - 1) * len(items))
    assert gini(np.array(items), N_ITEMS) == pytest.approx(expected)
