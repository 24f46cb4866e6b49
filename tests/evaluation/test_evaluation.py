"""Protocols and evaluations, against brute force and known answers."""

from itertools import permutations

import ir_measures
import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tastemaker as tm
from tastemaker.config import Config
from tastemaker.data.split import Targets
from tastemaker.errors import ConfigError, SplitError
from tastemaker.evaluation import protocols
from tastemaker.ranking import candidates
from tastemaker.ranking.candidates import CandidateRows, candidate_blocks, draw_candidates
from tastemaker.testing.worlds import dataset_of, two_tastes


class GivenScores(tm.Recommender):
    """Answers with scores that a test chose: (n_users, n_items)."""

    name = "given"
    config_class = Config

    def __init__(self, scores: np.ndarray | torch.Tensor) -> None:
        super().__init__()
        self.scores = torch.as_tensor(scores, dtype=torch.float32)

    def _fit(self, split: tm.Split, run: tm.TrainingRun) -> None: ...

    def _score(self, users: tm.UserBatch) -> torch.Tensor:
        return self.scores[torch.from_numpy(users.codes)]

    def state(self) -> dict[str, torch.Tensor]:
        return {"scores": self.scores}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        self.scores = state["scores"]


def test_popularity_gives_the_known_answer_on_the_published_split(data_folder) -> None:
    folder = data_folder / "ncf-ml-1m"
    split = tm.predefined_split(
        tm.read_interactions(folder / "train.parquet"),
        tm.read_interactions(folder / "test.parquet"),
        candidates=tm.read_candidate_lists(folder / "negatives.parquet"),
        catalog=tm.read_catalog(folder / "items.parquet"),
    )
    result = tm.evaluate(tm.Popularity().fit(split), split)
    assert result.n_users == 6_040
    assert result.metrics["hit_rate@10"] == pytest.approx(0.4520, abs=5e-5)
    assert result.metrics["ndcg@10"] == pytest.approx(0.2526, abs=5e-5)


def full_ranks_by_brute_force(split: tm.Split, scores: np.ndarray) -> list[int]:
    """The place of each target in one list that is sorted with targets behind their ties."""
    known, ranks = split.known_before("test"), []
    for user in np.unique(split.test.users):
        targets = split.test.items[split.test.users == user].tolist()
        seen = set(known.history(user).tolist())
        listed = [item for item in range(known.n_items) if item not in seen]
        order = sorted(listed, key=lambda i: (-scores[user, i], i in targets, targets.index(i)
                                              if i in targets else 0))  # fmt: skip
        ranks += [order.index(target) + 1 for target in targets]
    return ranks


@given(st.integers(0, 10_000), st.integers(1, 3), st.booleans())
def test_the_full_rank_is_the_position_in_the_sorted_list(
    seed: int, k: int, validation: bool
) -> None:
    split = tm.leave_k_out(two_tastes(8, 16, 7, seed), k, validation=validation)
    # Few different values, so that ties are common.
    scores = np.random.default_rng(seed).integers(0, 5, (8, split.train.n_items)).astype(float)
    model = GivenScores(scores).fit(split)
    ranks = tm.evaluate(model, split, tm.FullRanking(), baseline=False).ranks
    assert ranks.tolist() == full_ranks_by_brute_force(split, scores)


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_an_independent_package_computes_the_same_metrics(seed: int) -> None:
    split = tm.leave_k_out(two_tastes(8, 16, 7, seed), 3, validation=False)
    scores = np.random.default_rng(seed).integers(0, 5, (8, split.train.n_items)).astype(float)
    result = tm.evaluate(GivenScores(scores).fit(split), split, tm.FullRanking(), k=[3, 10])
    # trec_eval breaks ties by name; half a point less puts a held-out item behind its ties.
    scores[split.test.users, split.test.items] -= 0.5
    scores[split.train.users, split.train.items] = -np.inf
    qrels = [ir_measures.Qrel(str(user), str(item), 1)
             for user, item in zip(split.test.users, split.test.items, strict=True)]  # fmt: skip
    run = [ir_measures.ScoredDoc(str(u), str(i), s) for (u, i), s in np.ndenumerate(scores)]
    measures = {
        "hit_rate": ir_measures.Success, "ndcg": ir_measures.nDCG, "mrr": ir_measures.RR,
        "recall": ir_measures.R, "precision": ir_measures.P, "map": ir_measures.AP,
    }  # fmt: skip
    for cut in (3, 10):
        values = ir_measures.calc_aggregate([m @ cut for m in measures.values()], qrels, run)
        for name, measure in measures.items():
            assert result.metrics[f"{name}@{cut}"] == pytest.approx(values[measure @ cut], abs=1e-6)


@pytest.mark.parametrize("scores", [0.0, float("nan"), float("-inf"), float("inf")])
@pytest.mark.parametrize("protocol", [tm.FullRanking(), tm.SampledRanking(15)])
def test_a_model_with_equal_scores_for_all_items_is_ranked_last(scores, protocol) -> None:
    split = tm.leave_one_out(two_tastes())
    model = GivenScores(np.zeros((60, split.train.n_items))).fit(split)
    model.scores.fill_(scores)  # after `fit`, which accepts finite scores only
    assert tm.evaluate(model, split, protocol, baseline=False).metrics["hit_rate@10"] == 0


def test_a_model_with_the_true_scores_is_perfect() -> None:
    split = tm.leave_one_out(two_tastes())
    scores = np.zeros((60, split.train.n_items))
    scores[split.test.users, split.test.items] = 1
    result = tm.evaluate(GivenScores(scores).fit(split), split, k=[1, 10])
    assert all(result.metrics[name] == 1 for name in ("hit_rate@1", "ndcg@10", "mrr@10"))


def assert_never_touched_and_distinct(split: tm.Split, rows: CandidateRows) -> None:
    for user, items in zip(rows.users, rows.items, strict=True):
        touched = set(split.everything.history(user).tolist())
        assert items[0] in touched, "column 0 is the held-out item"
        assert touched.isdisjoint(items[1:])
        assert len(set(items[1:].tolist())) == rows.items.shape[1] - 1


@pytest.mark.parametrize("draw", ["uniform", "popularity"])
def test_sampled_candidates_were_never_touched_and_are_the_same_for_every_model(draw) -> None:
    split = tm.leave_one_out(two_tastes())
    rows = draw_candidates(split, "test", 20, 3, draw)
    assert rows.counts.all()
    assert_never_touched_and_distinct(split, rows)
    assert np.array_equal(rows.items, draw_candidates(split, "test", 20, 3, draw).items)
    assert not np.array_equal(rows.items, draw_candidates(split, "test", 20, 4, draw).items)


@pytest.mark.parametrize("draw", ["uniform", "popularity"])
def test_a_few_users_at_a_time_get_candidates_as_good(draw, monkeypatch) -> None:
    split = tm.leave_k_out(two_tastes(), 3, validation=False)
    monkeypatch.setattr(candidates, "ENTRIES_AT_ONCE", 170)
    blocks = list(candidate_blocks(split, "test", 20, 0, draw))
    assert len(blocks) > 10
    rows = draw_candidates(split, "test", 20, 0, draw)
    assert np.array_equal(rows.users, split.test.users)
    assert np.array_equal(rows.items[:, 0], split.test.items)
    assert_never_touched_and_distinct(split, rows)
    of_one_user = rows.items[:, 1:].reshape(60, 3, 20)
    assert (of_one_user == of_one_user[:, :1]).all(), "one list for all of a user's targets"


@pytest.mark.parametrize("draw", ["uniform", "popularity"])
def test_the_validation_candidates_do_not_reveal_the_test(draw) -> None:
    split = tm.leave_one_out(dataset_of({0: [0, 1, 2, 3], 1: [4, 0]}))
    rows = draw_candidates(split, "validation", 10, 0, draw)
    real = rows.items[0, 1:][rows.counts[0]]
    assert 3 in real, "the test item is the future: to validation it is as unknown as any"


N_ASKED = 4_000
TRAINING_COUNTS = {2: 8, 3: 4, 4: 2, 5: 1}


def popular_world() -> tm.Split:
    """4,000 users with items 2 to 6 untouched, of which 6 occurs in the held-out part only."""
    once = [item for item, count in TRAINING_COUNTS.items() for _ in range(count)]
    histories = [[0, 1]] * N_ASKED + [[0, 6]] + [[item] for item in once]
    return tm.leave_one_out(dataset_of(dict(enumerate(histories))), validation=False)


def test_popular_negatives_are_drawn_one_after_another_by_popularity() -> None:
    rows = draw_candidates(popular_world(), "test", 2, 0, "popularity").items[:N_ASKED, 1:]
    for first, second in permutations(TRAINING_COUNTS, 2):
        one, other = TRAINING_COUNTS[first], TRAINING_COUNTS[second]
        expected = one / 15 * other / (15 - one)
        fraction = np.mean((rows == [first, second]).all(axis=1))
        error = np.sqrt(expected * (1 - expected) / N_ASKED)
        assert abs(fraction - expected) < 4 * error, (first, second)


def test_items_without_training_interactions_are_drawn_when_the_others_run_out() -> None:
    split = popular_world()
    assert (
        np.sort(draw_candidates(split, "test", 4, 0, "popularity").items[:N_ASKED, 1:])
        == [2, 3, 4, 5]
    ).all()
    assert (draw_candidates(split, "test", 5, 0, "popularity").items[:N_ASKED, 5] == 6).all()
    more_than_there_are = draw_candidates(split, "test", 9, 0, "popularity")
    assert more_than_there_are.items.shape == (N_ASKED + 1, 10)
    assert more_than_there_are.counts.sum(axis=1).tolist() == [5] * (N_ASKED + 1)


def test_against_popular_negatives_popularity_is_no_longer_good() -> None:
    random = np.random.default_rng(0)
    fraction = 1 / np.arange(1, 201)
    data = dataset_of({u: random.choice(200, 12, False, fraction / fraction.sum()).tolist()
                       for u in range(300)})  # fmt: skip
    split = tm.leave_one_out(data, validation=False)
    model = tm.Popularity().fit(split)
    uniform = tm.evaluate(model, split, tm.SampledRanking(50))
    popular = tm.evaluate(model, split, tm.SampledRanking(50, draw="popularity"))
    assert popular.metrics["hit_rate@10"] < 0.8 * uniform.metrics["hit_rate@10"]
    assert "50 uniform negatives" in uniform.protocol
    assert "50 popularity-weighted negatives" in popular.protocol


def test_users_with_few_untouched_items_are_ranked_among_those_they_have() -> None:
    split = tm.leave_one_out(dataset_of({0: [0, 1, 2], 1: [3, 4]}), validation=False)
    model = GivenScores([[0, 0, 1, 9, 0], [0, 0, 0, 0, 0]]).fit(split)
    ranks = tm.evaluate(model, split, tm.SampledRanking(99), baseline=False).ranks
    assert ranks.tolist() == [2, 4]


def predefined(lists: list[list[int]]) -> tm.Split:
    train = tm.read_interactions(pl.DataFrame({"user": [1, 2], "item": [10, 20]}))
    test = tm.read_interactions(pl.DataFrame({"user": [1, 2], "item": [30, 30]}))
    candidates = pl.DataFrame({"user_id": [1, 2], "item_id": lists})
    return tm.predefined_split(train, test, candidates=candidates)


def test_given_candidates_are_used_as_they_are() -> None:
    scores = [[5, 4, 3, 2], [5, 4, 3, 2]]  # of the items 10, 20, 30, 40
    negatives = predefined([[40, 20], [10, 40]])
    assert tm.evaluate(GivenScores(scores).fit(negatives), negatives).ranks.tolist() == [2, 2]
    slates = predefined([[30, 20], [40, 30]])
    assert tm.evaluate(GivenScores(scores).fit(slates), slates).ranks.tolist() == [2, 1]
    one_faulty_list = predefined([[30, 40], [40, 20]])
    faulty = GivenScores(scores).fit(one_faulty_list)
    assert tm.evaluate(faulty, one_faulty_list).ranks.tolist() == [2, 2], "the tie counts"


def test_a_few_lists_at_a_time_give_the_same_ranks(monkeypatch) -> None:
    random = np.random.default_rng(0)
    for lists in ([[40, 20], [10, 40]], [[30, 20], [40, 30]], [[30, 40], [40, 20]]):
        split = predefined(lists)
        model = GivenScores(random.integers(0, 3, (2, 4))).fit(split)
        expected = tm.evaluate(model).ranks.tolist()
        with monkeypatch.context() as patch:
            patch.setattr(protocols, "ENTRIES_AT_ONCE", 1)
            assert tm.evaluate(model).ranks.tolist() == expected


@pytest.mark.parametrize("k", [1, 3])
def test_rows_on_several_cores_get_the_same_ranks(k: int, monkeypatch) -> None:
    split = tm.leave_k_out(two_tastes(length=12), k, validation=False)
    scores = np.random.default_rng(0).integers(0, 9, (60, split.train.n_items))
    model = GivenScores(scores).fit(split)
    expected = tm.evaluate(model, split, tm.SampledRanking(15)).ranks.tolist()
    monkeypatch.setattr(protocols, "USERS_AT_ONCE", 7)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert tm.evaluate(model, split, tm.SampledRanking(15)).ranks.tolist() == expected
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("protocol", [tm.SampledRanking(15), tm.FullRanking()])
def test_several_held_out_items_stand_in_one_list(protocol) -> None:
    split = tm.leave_k_out(two_tastes(length=12), 5, validation=False)
    scores = np.zeros((60, split.train.n_items))
    scores[split.test.users, split.test.items] = 1
    perfect = tm.evaluate(GivenScores(scores).fit(split), split, protocol, k=[3, 10])
    assert perfect.ranks.reshape(60, 5).tolist() == [[1, 2, 3, 4, 5]] * 60
    assert perfect.metrics["ndcg@10"] == pytest.approx(1)
    assert perfect.metrics["precision@10"] == 0.5
    assert perfect.metrics["recall@3"] == pytest.approx(3 / 5)


def test_a_users_other_held_out_items_are_not_candidates_twice() -> None:
    train = tm.read_interactions(pl.DataFrame({"user": [1], "item": [10]}))
    test = tm.read_interactions(pl.DataFrame({"user": [1, 1], "item": [20, 30]}))
    slate = pl.DataFrame({"user_id": [1], "item_id": [[20, 30, 40]]})
    split = tm.predefined_split(train, test, candidates=slate)
    model = GivenScores([[0, 5, 9, 7]]).fit(split)  # of the items 10, 20, 30, 40
    assert tm.evaluate(model, k=1).ranks.tolist() == [3, 1]


def test_a_faulty_list_is_taken_as_it_is_for_users_with_several_held_out_items_too() -> None:
    train = tm.read_interactions(pl.DataFrame({"user": [1], "item": [10]}))
    test = tm.read_interactions(pl.DataFrame({"user": [1, 1], "item": [20, 30]}))
    with_one_of_them = pl.DataFrame({"user_id": [1], "item_id": [[20, 40]]})
    split = tm.predefined_split(train, test, candidates=with_one_of_them)
    model = GivenScores([[0, 5, 9, 7]]).fit(split)  # of the items 10, 20, 30, 40
    assert tm.evaluate(model, k=1).ranks.tolist() == [4, 1], "20 ties with its second entry"


def test_users_without_candidates_are_refused() -> None:
    def part(*rows: tuple) -> tm.Interactions:
        return tm.read_interactions(pl.DataFrame(rows, schema=["user", "item"], orient="row"))

    lists = pl.DataFrame({"user_id": [1], "item_id": [[20]]})
    split = tm.predefined_split(
        part((1, 10), (2, 20)), part((1, 30)), validation=part((2, 10)), candidates=lists
    )
    model = tm.Popularity().fit(split)
    with pytest.raises(SplitError, match=r"have no list of candidates \(first: user 2\)"):
        tm.evaluate(model, part="validation")


def test_popularity_stands_beside_every_model() -> None:
    split = tm.leave_one_out(two_tastes())
    result = tm.evaluate(tm.NCF(epochs=1).fit(split), split)
    assert set(result.baselines) == {"popularity"}
    assert result.baselines["popularity"].metrics.keys() == result.metrics.keys()
    table = str(result)
    assert "popularity" in table
    assert "hit_rate@10" in table
    as_dict = result.to_dict()
    assert {"model", "dataset", "protocol", "n_users", "metrics", "baseline"} <= as_dict.keys()


def test_means_are_those_of_the_users() -> None:
    split = tm.leave_one_out(two_tastes())
    result = tm.evaluate(tm.Popularity().fit(split), split, k=[5])
    assert len(result.per_user["ndcg@5"]) == result.n_users == 60
    assert result.metrics["ndcg@5"] == result.per_user["ndcg@5"].mean()


def test_a_model_is_not_judged_on_what_it_may_have_seen() -> None:
    data = two_tastes()
    everything = tm.NCF(epochs=1).fit(tm.no_holdout(data))
    with pytest.raises(SplitError, match="may include the held-out data"):
        tm.evaluate(everything, tm.leave_one_out(data))
    with pytest.raises(SplitError, match="has no test interactions"):
        tm.evaluate(everything)


def test_invalid_protocols_are_refused() -> None:
    split = tm.leave_one_out(two_tastes())
    model = tm.Popularity().fit(split)
    with pytest.raises(ConfigError, match="list lengths must be 1 or more"):
        tm.evaluate(model, split, k=[0])
    with pytest.raises(ConfigError, match="it must be 1 or more"):
        tm.SampledRanking(negatives=0)
    with pytest.raises(ConfigError, match='draw is \'popular\'; use "uniform" or "popularity"'):
        tm.SampledRanking(draw="popular")
    with pytest.raises(SplitError, match="no candidate lists"):
        tm.evaluate(model, split, tm.CandidateLists())
    with pytest.raises(SplitError, match="has no validation interactions"):
        held = Targets(split.test.users, split.test.items)
        tm.evaluate(model, tm.Split(split.train, held), part="validation")


def test_the_same_evaluation_twice_has_the_same_result() -> None:
    split = tm.leave_one_out(two_tastes())
    first, second = (tm.evaluate(tm.NCF(epochs=3, seed=5).fit(split), split) for _ in range(2))
    assert np.array_equal(first.ranks, second.ranks)
