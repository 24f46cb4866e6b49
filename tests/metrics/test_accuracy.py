"""Metrics against their definitions in plain Python, and against an independent package."""

import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.metrics.accuracy import (
    ACCURACY,
    average_precision,
    hit_rate,
    mrr,
    ndcg,
    precision,
    recall,
)

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
    if name == "map":
        found = [sum(relevance[: i + 1]) / (i + 1) for i, r in enumerate(relevance) if r]
        return sum(found) / min(k, len(ranks))
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
    # (1/1 + 2/3) over 2, and 1/11 over 1.
    assert average_precision(ranks, indptr, 20).tolist() == pytest.approx([5 / 6, 1 / 11])


def test_a_short_list_full_of_relevant_items_has_an_average_precision_of_one() -> None:
    ranks, indptr = np.array([5, 2, 1]), np.array([0, 3])
    assert average_precision(ranks, indptr, 2).tolist() == [1]
    # 1/1 + 2/2 + 3/5, over the three relevant items.
    assert average_precision(ranks, indptr, 5).tolist() == pytest.approx([2.6 / 3])


def test_the_order_of_a_users_targets_does_not_matter() -> None:
    indptr = np.array([0, 3, 5])
    for name, metric in ACCURACY.items():
        ascending = metric(np.array([1, 4, 9, 2, 7]), indptr, 5)
        assert ascending.tolist() == metric(np.array([9, 1, 4, 7, 2]), indptr, 5).tolist(), name


@given(USERS, st.integers(1, 15))
def test_longer_lists_do_not_lower_hit_rate_recall_and_mrr(users: list[list[int]], k: int) -> None:
    indptr = np.cumsum([0, *map(len, users)])
    ranks = np.concatenate([np.array(u) for u in users])
    for metric in (hit_rate, recall, mrr):
        assert (metric(ranks, indptr, k + 1) >= metric(ranks, indptr, k)).all()


IR_MEASURES = {
    "hit_rate": ir_measures.Success,
    "ndcg": ir_measures.nDCG,
    "mrr": ir_measures.RR,
    "recall": ir_measures.R,
    "precision": ir_measures.P,
    "map": ir_measures.AP,
}


def by_ir_measures(
    name: str, k: int, relevant: list[set[int]], lists: list[list[int]]
) -> np.ndarray:
    """(n_users,) values; a list's order is handed over as scores, of which no two are the same."""
    qrels = [
        ir_measures.Qrel(str(user), str(item), 1)
        for user, items in enumerate(relevant)
        for item in items
    ]
    run = [
        ir_measures.ScoredDoc(str(user), str(item), -float(place))
        for user, items in enumerate(lists)
        for place, item in enumerate(items)
    ]
    values = np.zeros(len(relevant))
    for found in ir_measures.iter_calc([IR_MEASURES[name] @ k], qrels, run):
        values[int(found.query_id)] = found.value
    return values


def random_lists(seed: int) -> tuple[list[set[int]], list[list[int]]]:
    """Relevant items and recommended lists of 30 users, by scores that are full of ties.

    trec_eval, which ir-measures calls, breaks ties by the name of the item; here a tie counts
    against the model. So the relevant items are put behind their ties before it sees the lists.
    """
    random, relevant, lists = np.random.default_rng(seed), [], []
    for user in range(30):
        held = set(random.choice(40, random.integers(1, 9), replace=False).tolist())
        scores = random.integers(0, 4, 40)
        order = sorted(range(40), key=lambda i, s=scores, h=held: (-s[i], i in h))
        # The first user gets nothing at all, the second nothing relevant, others short lists.
        kept = [0, 40, *random.integers(1, 41, 28)][user]
        listed = order[:kept] if user != 1 else [i for i in order if i not in held]
        relevant.append(held)
        lists.append(listed)
    return relevant, lists


def ranks_in(relevant: list[set[int]], lists: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """A relevant item that is not listed stands behind everything."""
    ranks = [
        lists[user].index(item) + 1 if item in lists[user] else 1000 + item
        for user, items in enumerate(relevant)
        for item in items
    ]
    return np.array(ranks), np.cumsum([0, *map(len, relevant)])


@pytest.mark.parametrize("k", [1, 3, 10, 50])
@pytest.mark.parametrize("name", sorted(ACCURACY))
def test_an_independent_package_agrees(name: str, k: int) -> None:
    for seed in range(5):
        relevant, lists = random_lists(seed)
        ranks, indptr = ranks_in(relevant, lists)
        expected = by_ir_measures(name, k, relevant, lists)
        if name == "map":
            # trec_eval divides by all relevant items, however short the list.
            n_relevant = np.diff(indptr)
            expected = expected * n_relevant / np.minimum(n_relevant, k)
        values = ACCURACY[name](ranks, indptr, k)
        np.testing.assert_allclose(values, expected, atol=1e-6)
        assert values[:2].tolist() == [0, 0], "an empty list and one without a hit"


def test_every_metric_has_an_independent_counterpart() -> None:
    assert ACCURACY.keys() == IR_MEASURES.keys()
