"""Retrieval: exact, in bfloat16 and approximate, against a plain sort of all scores."""

import importlib.util
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.data.users import UserBatch
from tastemaker.errors import ArtifactError, UnsupportedError
from tastemaker.ranking import approximate, hnsw, index
from tastemaker.ranking.approximate import ApproximateIndex
from tastemaker.ranking.comparison import compare, recall
from tastemaker.ranking.exclusion import Exclusion
from tastemaker.ranking.hnsw import Graph
from tastemaker.ranking.index import BFloat16Index, ExactIndex, best_of
from tastemaker.ranking.topk import plain_top_k
from tests.ranking.test_topk import assert_same

needs_faiss = pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="needs faiss")


def whole_numbers(n: int, d: int, seed: int) -> torch.Tensor:
    """Vectors whose inner products are exact in any order of summation, with many ties."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-2, 3, (n, d), generator=generator).float()


def clustered(n_items: int, n_users: int, d: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys of some tastes with lengths that vary, and queries near the tastes."""
    random = np.random.default_rng(0)
    tastes = random.standard_normal((30, d))
    keys = tastes[random.integers(30, size=n_items)] + 0.6 * random.standard_normal((n_items, d))
    keys *= np.exp(0.4 * random.standard_normal((n_items, 1)))
    queries = tastes[random.integers(30, size=n_users)]
    queries = queries + 0.4 * random.standard_normal((n_users, d))
    return torch.from_numpy(keys).float(), torch.from_numpy(queries).float()


def histories(n_users: int, n_items: int, longest: int, seed: int = 0) -> UserBatch:
    random = np.random.default_rng(seed)
    return UserBatch.unseen_users(
        [random.choice(n_items, random.integers(longest + 1)) for _ in range(n_users)]
    )


def plain_search(keys: torch.Tensor, queries: torch.Tensor, k: int, exclusion: Exclusion):
    return plain_top_k(exclusion.apply(queries @ keys.T), k)


WIDTHS = st.sampled_from([1, 4, 9, 16, 37])


@pytest.mark.parametrize("way", ["as installed", "plain"])
@given(
    st.integers(1, 300), st.integers(1, 400), WIDTHS, st.integers(1, 40), st.integers(0, 5),
    st.booleans(),
)  # fmt: skip
def test_exact_search_gives_what_a_selection_from_all_scores_gives(
    way: str, n_users: int, n_items: int, d: int, k: int, seed: int, some_ineligible: bool
) -> None:
    keys, queries = whole_numbers(n_items, d, seed), whole_numbers(n_users, d, seed + 1)
    eligible = torch.arange(n_items) % 3 != 1 if some_ineligible else None
    exclusion = Exclusion(histories(n_users, n_items, min(n_items, 20), seed), eligible)
    with pytest.MonkeyPatch.context() as patch:
        if way == "plain":
            patch.setattr(index, "can_use_compiled_code", lambda keys: False)
        found = ExactIndex(keys).search(queries, k, exclusion)
    assert_same(found, plain_search(keys, queries, k, exclusion))


@pytest.mark.parametrize("n_users", [1, 3, 40])
def test_a_product_that_is_not_a_number_is_not_recommended(n_users: int) -> None:
    keys = torch.ones(100, 8)
    keys[:50] = math.nan
    keys[60, 0] = 5.0
    found = ExactIndex(keys).search(torch.ones(n_users, 8), 3, Exclusion())
    assert found.items.tolist() == [[60, 50, 51]] * n_users


def test_blocks_of_users_give_what_all_at_once_give(monkeypatch) -> None:
    keys, queries = whole_numbers(200, 4, 0), whole_numbers(25, 4, 1)
    exclusion = Exclusion(histories(25, 200, 30))
    whole = ExactIndex(keys).search(queries, 5, exclusion)
    monkeypatch.setattr(index, "USERS_AT_ONCE", 7)
    assert_same(ExactIndex(keys).search(queries, 5, exclusion), whole)


def test_bfloat16_finds_the_shortlist_and_float32_scores_it() -> None:
    keys, queries = clustered(3000, 100)
    exclusion = Exclusion(histories(100, 3000, 40))
    exact = ExactIndex(keys).search(queries, 10, exclusion)
    found = BFloat16Index(keys).search(queries, 10, exclusion)
    assert recall(found, exact) > 0.999
    torch.testing.assert_close(found.scores, exact.scores)


def test_bfloat16_is_exact_where_its_numbers_are() -> None:
    keys, queries = whole_numbers(500, 4, 0), whole_numbers(20, 4, 1)
    exclusion = Exclusion(histories(20, 500, 40), torch.arange(500) % 50 == 0)
    found = BFloat16Index(keys).search(queries, 20, exclusion)
    assert_same(found, plain_search(keys, queries, 20, exclusion))


def test_only_unseen_and_eligible_items_are_allowed() -> None:
    seen = UserBatch.unseen_users([[0, 1], [], [2]])
    items = torch.tensor([[0, 2, 3], [0, 2, 3], [0, 2, 3]])
    assert Exclusion(seen).allows(items).tolist() == [
        [False, True, True], [True, True, True], [True, False, True],
    ]  # fmt: skip
    eligible = torch.tensor([True, True, True, False])
    assert Exclusion(None, eligible).allows(items).all(dim=0).tolist() == [True, True, False]


@needs_faiss
class TestApproximate:
    def test_nearly_all_of_the_exact_answer_is_found_with_its_scores(self) -> None:
        keys, queries = clustered(5000, 200)
        exclusion = Exclusion(histories(200, 5000, 60))
        found = ApproximateIndex.build(keys).search(queries, 10, exclusion)
        exact = ExactIndex(keys).search(queries, 10, exclusion)
        assert recall(found, exact) > 0.95
        assert (found.scores.diff(dim=1) <= 0).all()
        assert exclusion.allows(found.items).all()
        expected = torch.einsum("nd,nkd->nk", queries, keys[found.items])
        torch.testing.assert_close(found.scores, expected)

    @pytest.mark.parametrize("fraction", [1.0, 0.3, 0.01, 0.001])
    def test_k_items_come_back_whatever_was_seen_or_is_eligible(self, fraction: float) -> None:
        keys, queries = clustered(2000, 50)
        # Some have seen nearly everything, some whatever is nearest to them.
        nearest = ExactIndex(keys).search(queries, 300, Exclusion()).items.numpy()
        seen = [np.arange(1990) if row % 10 == 0 else nearest[row] for row in range(50)]
        eligible = torch.rand(2000, generator=torch.Generator().manual_seed(1)) < fraction
        exclusion = Exclusion(UserBatch.unseen_users(seen), eligible)
        exact = ExactIndex(keys).search(queries, 10, exclusion)
        found = ApproximateIndex.build(keys).search(queries, 10, exclusion)
        assert torch.equal(found.lengths, exact.lengths)
        assert recall(found, exact) > 0.9

    def test_users_whom_the_graph_leaves_short_are_answered_exactly(self, monkeypatch) -> None:
        keys, queries = clustered(500, 20)
        made = ApproximateIndex.build(keys)
        monkeypatch.setattr(Graph, "nearest", lambda self, q, n: np.full((len(q), n), -1))
        exclusion = Exclusion(histories(20, 500, 30))
        exact = ExactIndex(keys).search(queries, 10, exclusion)
        assert_same(made.search(queries, 10, exclusion), exact)

    def test_users_with_long_histories_are_answered_exactly(self, monkeypatch) -> None:
        keys, queries = clustered(500, 20)
        monkeypatch.setattr(approximate, "MAX_FETCHED", 5)
        exclusion = Exclusion(histories(20, 500, 30))
        found = ApproximateIndex.build(keys).search(queries, 10, exclusion)
        assert_same(found, ExactIndex(keys).search(queries, 10, exclusion))

    def test_more_items_than_exist_and_no_users_are_valid_requests(self) -> None:
        keys, queries = clustered(40, 3)
        made = ApproximateIndex.build(keys)
        assert made.search(queries, 50, Exclusion()).lengths.tolist() == [40] * 3
        assert made.search(queries[:0], 5, Exclusion()).items.shape == (0, 5)

    def test_a_stored_graph_answers_as_the_one_that_was_built(self) -> None:
        keys, queries = clustered(3000, 50)
        built = Graph.build(keys.numpy())
        again = Graph.from_state(keys.numpy(), built.state())
        nearest = built.nearest(queries.numpy(), 20)
        assert (again.nearest(queries.numpy(), 20) == nearest).all()

    @pytest.mark.parametrize("harm", ["link", "entry", "layer", "short", "upper"])
    def test_a_graph_whose_links_lead_out_of_it_is_refused(self, harm: str) -> None:
        keys, _ = clustered(3000, 1)
        state = {name: array.copy() for name, array in Graph.build(keys.numpy()).state().items()}
        if harm == "link":
            state["links"][5] = 3000
        elif harm == "entry":
            state["entry"][0] = -1
        elif harm == "layer":
            state["layers"][7] = 99
        elif harm == "short":
            state["links"] = state["links"][:-1]
        else:
            ground = int(np.flatnonzero(state["layers"] == 1)[0])
            upper = int(np.flatnonzero(state["layers"] == 2)[0])
            before = state["layers"][:upper]
            begin = int((2 * hnsw.LINKS + hnsw.LINKS * (before - 1)).sum())
            state["links"][begin + 2 * hnsw.LINKS] = ground
        with pytest.raises(ArtifactError, match="build it again"):
            Graph.from_state(keys.numpy(), state)

    def test_the_comparison_counts_what_was_found(self) -> None:
        keys, queries = clustered(1000, 30)
        exact = ExactIndex(keys)
        same = compare(exact, exact, queries, 10, Exclusion())
        assert same.recall == 1.0
        assert min(same.latency_ms, same.exact_latency_ms) > 0


def test_recall_is_a_fraction_of_the_exact_lists() -> None:
    def lists(rows: list[list[float]]):
        return plain_top_k(torch.tensor(rows), 2)

    minus = -math.inf
    exact = lists([[3.0, 2.0, 1.0], [3.0, minus, minus], [minus] * 3])
    found = lists([[3.0, 1.0, 2.0], [minus, minus, minus], [minus] * 3])
    assert recall(found, exact) == pytest.approx((0.5 + 0.0) / 2)


def test_without_faiss_the_error_names_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(hnsw, "find_spec", lambda name: None)
    with pytest.raises(UnsupportedError, match=r"pip install 'tastemaker\[index\]'"):
        ApproximateIndex.build(torch.zeros(3, 2))


def test_the_number_of_threads_is_as_it_was_and_changes_nothing() -> None:
    def fresh() -> int:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.get_num_threads).result()

    keys, queries = whole_numbers(300, 4, 0), whole_numbers(400, 4, 1)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = ExactIndex(keys).search(queries, 5, Exclusion())
        torch.set_num_threads(3)
        assert_same(ExactIndex(keys).search(queries, 5, Exclusion()), alone)
        assert (torch.get_num_threads(), fresh()) == (3, 3)
    finally:
        torch.set_num_threads(before)


def test_among_candidates_a_tie_goes_to_the_lower_code() -> None:
    keys, candidates = torch.ones(9, 2), torch.tensor([[7, 2, 5]])
    allowed = torch.tensor([[True, True, False]])
    found = best_of(candidates, allowed, keys, torch.ones(1, 2), 3)
    assert found.items[0, :2].tolist() == [2, 7]
    assert found.lengths.tolist() == [2]
