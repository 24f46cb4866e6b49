"""Metrics against a plain, independent implementation of their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.metrics.accuracy import ACCURACY, hit_rate, mrr, ndcg, precision, recall

USERS = st.lists(
    st.lists(st.integers(1, 30), min_size=1, max_size=6, unique=True), min_size=1, max_size=8
)


def by_definition(name: str, ranks: list[int], k: int) -> float:
    relevance = [1 if position in ranks else 0 for position in range(1, k + 1)]
    hits = sum(relevance)
    if name == "hit_rate":
        return float(hits > 0)
    if name == "recall":
        return hits / len(ranks)
    if name == "precision":
        return hits / k
    if name == "mrr":
        return next((1 / (i + 1) for i, r in enumerate(relevance) if r), 0.0)
    gain = sum(r / math.log2(i + 2) for i, r in enumerate(relevance))
    return gain / sum(1 / math.log2(i + 2) for i in range(min(k, len(ranks))))


@given(USERS, st.integers(1, 20), st.sampled_from(sorted(ACCURACY)))
def test_every_metric_is_what_its_definition_says(
    users: list[list[int]], k: int, name: str
) -> None:
    indptr = np.cumsum([0, *map(len, users)])
    values = ACCURACY[name](np.concatenate([np.array(u) for u in users]), indptr, k)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, [by_definition(name, u, k) for u in users])


def test_values_worked_out_by_hand() -> None:
    ranks, indptr = np.array([1, 3, 11]), np.array([0, 2, 3])
    assert hit_rate(ranks, indptr, 10).tolist() == [1, 0]
    assert recall(ranks, indptr, 2).tolist() == [0.5, 0]
    assert precision(ranks, indptr, 4).tolist() == [0.5, 0]
    assert mrr(ranks, indptr, 20).tolist() == pytest.approx([1, 1 / 11])
    # (1 + 1/2) over (1 + 1/log2(3)), and 1/log2(12) over 1.
    assert ndcg(ranks, indptr, 20).tolist() == pytest.approx([0.9197207891, 0.2789429457])


@given(USERS, st.integers(1, 15))
def test_a_longer_list_finds_no_less(users: list[list[int]], k: int) -> None:
    indptr = np.cumsum([0, *map(len, users)])
    ranks = np.concatenate([np.array(u) for u in users])
    for metric in (hit_rate, recall, mrr):
        assert (metric(ranks, indptr, k + 1) >= metric(ranks, indptr, k)).all()
