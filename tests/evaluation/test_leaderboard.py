"""Intervals, segments, list metrics and the leaderboard: who is better, and could it be chance."""

import itertools

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.catalog import Catalog
from tastemaker.errors import ConfigError
from tastemaker.evaluation.lists import category_weights
from tastemaker.testing.worlds import dataset_of, two_tastes
from tests.evaluation.test_evaluation import GivenScores


def evaluated(split: tm.Split, scores: np.ndarray, **how) -> tm.Evaluation:
    return tm.evaluate(GivenScores(scores).fit(split), split, tm.FullRanking(), **how)


@pytest.fixture(scope="module")
def split() -> tm.Split:
    return tm.leave_one_out(two_tastes(n_users=200, length=12))


def scores_with_hits(split: tm.Split, fraction: float, seed: int = 0) -> np.ndarray:
    """Scores that know the held-out item of a fraction of the users, and nothing else."""
    random = np.random.default_rng(seed)
    scores = random.random((split.train.n_users, split.train.n_items))
    is_hit = random.random(split.train.n_users) < fraction
    scores[split.test.users[is_hit], split.test.items[is_hit]] = 2
    return scores


def test_the_interval_holds_the_mean_and_narrows_with_more_users(split: tm.Split) -> None:
    many = evaluated(split, scores_with_hits(split, 0.5), baseline=False)
    few_users = tm.leave_one_out(two_tastes(n_users=20, length=12))
    few = evaluated(few_users, scores_with_hits(few_users, 0.5), baseline=False)
    for result in (many, few):
        low, high = result.intervals["ndcg@10"]
        assert low < result.metrics["ndcg@10"] < high
    widths = [np.diff(result.intervals["ndcg@10"])[0] for result in (few, many)]
    assert widths[0] > 2 * widths[1]


def test_a_perfect_model_has_an_interval_of_no_width(split: tm.Split) -> None:
    assert evaluated(split, scores_with_hits(split, 1.1)).intervals["ndcg@10"] == (1.0, 1.0)


def test_segments_divide_the_users_by_the_length_of_their_history() -> None:
    lengths = {0: 3, 1: 9, 2: 12, 3: 20}
    histories = {user: list(range(30 * user, 30 * user + n)) for user, n in lengths.items()}
    split = tm.leave_one_out(dataset_of(histories), validation=False)
    scores = np.zeros((4, split.train.n_items))
    scores[2, split.test.items[2]] = 1  # user 2 alone gets the right item
    parts = {s.name: s for s in evaluated(split, scores).segments if s.by == "history"}
    assert [part.users.tolist() for part in parts.values()] == [[0], [1], [2], [3]]
    names = ["new: up to 5", "light: up to 8", "regular: up to 11", "heavy: above 11"]
    assert list(parts) == names
    hits = [part.per_user["hit_rate@10"].mean() for part in parts.values()]
    assert hits == [0, 0, 1, 0]


def test_segments_divide_the_held_out_items_by_their_popularity(split: tm.Split) -> None:
    result = evaluated(split, scores_with_hits(split, 0.5))
    parts = [segment for segment in result.segments if segment.by == "popularity"]
    assert [part.name for part in parts] == ["head: top 5%", "middle: to 20%", "tail: the rest"]
    assert sum(part.n_users for part in parts) == 200
    whole = sum(part.per_user["ndcg@10"].sum() for part in parts)
    assert whole == pytest.approx(result.per_user["ndcg@10"].sum())


def test_lists_are_judged_without_the_items_already_seen() -> None:
    split = tm.leave_one_out(two_tastes())
    scores = np.tile(np.arange(40.0), (60, 1))  # every user gets the highest codes
    result = evaluated(split, scores, k=[2], lists=True, baseline=False)
    known = split.known_before("test")
    shown = [
        [item for item in range(39, -1, -1) if item not in known.history(user)][:2]
        for user in range(60)
    ]
    assert result.overall["coverage@2"] == len({i for pair in shown for i in pair}) / 40
    counts = split.train.item_counts
    popularity = [np.mean([counts[item] for item in pair]) for pair in shown]
    assert result.per_user["average_popularity@2"].tolist() == pytest.approx(popularity)
    assert "coverage@2" in result.metrics
    assert "coverage@2" not in result.intervals, "all lists together have no interval over users"


def test_categories_weigh_one_together_and_items_without_any_weigh_nothing() -> None:
    table = pl.DataFrame(
        {"item_id": [1, 2, 3, 4], "categories": [["b", "a"], None, [], ["c", "c"]]}
    )
    weights = category_weights(Catalog(table))
    assert weights.tolist() == [[0.5, 0.5, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert category_weights(Catalog(table.drop("categories"))) is None


def board_of(split: tm.Split, **fractions: float) -> tm.Leaderboard:
    entries = [
        tm.Entry(name, evaluated(split, scores_with_hits(split, fraction, seed), baseline=False))
        for seed, (name, fraction) in enumerate(fractions.items())
    ]
    return tm.Leaderboard([*entries, tm.Entry("broken", error="ran out of luck")])


def test_the_best_comes_first_and_the_failed_last(split: tm.Split) -> None:
    board = board_of(split, poor=0.1, good=0.9, fair=0.5)
    assert [entry.name for entry in board.entries] == ["good", "fair", "poor", "broken"]
    as_dict = board.to_dict()
    assert [model["rank"] for model in as_dict["models"]] == [1, 2, 3]
    assert as_dict["failed"] == [{"name": "broken", "error": "ran out of luck"}]
    rows = board.rows()
    assert rows[0]["ndcg@10_low"] < rows[0]["ndcg@10"] < rows[0]["ndcg@10_high"]
    assert rows[-1]["error"] == "ran out of luck"


def test_a_metric_that_only_some_models_have_is_shown_for_them(split: tm.Split) -> None:
    evaluations = {
        name: evaluated(split, scores_with_hits(split, hits), lists=lists, baseline=False)
        for name, hits, lists in (("poor", 0.1, True), ("good", 0.9, False))
    }
    board = tm.Leaderboard([tm.Entry(*one) for one in evaluations.items()])
    good, poor = board.summary()
    assert list(good) == list(poor)
    assert good["coverage@10"] is None
    assert poor["coverage@10"] == evaluations["poor"].metrics["coverage@10"]
    assert "coverage@10" in board._repr_html_()


def test_a_large_difference_is_significant_and_none_is_not(split: tm.Split) -> None:
    board = board_of(split, good=0.9, fair=0.5)
    assert board.comparison("fair", "good").better == "good"
    assert board.comparison("good", "fair").significant
    same = [tm.Entry(n, evaluated(split, scores_with_hits(split, 0.5))) for n in ("one", "other")]
    (pair,) = tm.Leaderboard(same).comparisons
    assert (pair.difference, pair.p_value, pair.significant) == (0, 1, False)


def test_the_p_values_are_corrected_for_the_number_of_pairs(split: tm.Split) -> None:
    fractions = {"a": 0.42, "b": 0.5, "c": 0.46, "d": 0.55}
    entries = board_of(split, **fractions).entries[:-1]
    by_holm = tm.Leaderboard(entries, correction="holm").comparisons
    by_fdr = tm.Leaderboard(entries, correction="benjamini-hochberg").comparisons
    alone = {
        (one.name, other.name): tm.Leaderboard([one, other]).comparisons[0].p_value
        for one, other in itertools.combinations(entries, 2)
    }
    assert len(by_holm) == 6
    for holm, fdr in zip(by_holm, by_fdr, strict=True):
        assert alone[holm.better, holm.worse] <= fdr.p_value <= holm.p_value
    smallest = min(alone.values())
    assert min(pair.p_value for pair in by_holm) == pytest.approx(min(1, 6 * smallest))


def test_results_of_different_protocols_are_not_compared(split: tm.Split) -> None:
    scores = scores_with_hits(split, 0.5)
    full = tm.Entry("full", evaluated(split, scores))
    sampled = tm.evaluate(GivenScores(scores).fit(split), split, tm.SampledRanking(15))
    with pytest.raises(ConfigError, match="were evaluated in different ways"):
        tm.Leaderboard([full, tm.Entry("sampled", sampled)])
    with pytest.raises(ConfigError, match='"ncdg@10"; did you mean "ndcg@10"'):
        tm.Leaderboard([full], metric="ncdg@10")
    with pytest.raises(ConfigError, match='two models of the leaderboard have the name "full"'):
        tm.Leaderboard([full, full])
