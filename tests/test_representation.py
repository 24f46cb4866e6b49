"""Objects of any size show themselves in a few lines."""

import inspect
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker import wire
from tastemaker.client import Client
from tastemaker.data.shop import shop
from tastemaker.data.synthetic import synthetic
from tastemaker.evaluation.cold_start import evaluate_cold_start, hold_out_users
from tastemaker.evaluation.cold_start_results import ColdStartResults
from tastemaker.experiments.model_runs import EvaluationPlan
from tastemaker.experiments.search import Search
from tastemaker.representation import short

LONGEST = 500
"""Characters of one object."""

LONGEST_TABLE = 30
"""Lines of what shows itself as a table."""


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """One of each public class, of a size at which a full listing fills the screen."""
    data = tm.load("synthetic")
    split = tm.leave_one_out(data)
    model = tm.EASE(regularization=100.0).fit(split)
    network = tm.NCF(epochs=1, batch_size=4096, seed=7).fit(split)
    protocol = tm.SampledRanking(negatives=20)
    results = [tm.evaluate(each, split, protocol, k=(5, 10, 20)) for each in (model, network)]
    path = tmp_path_factory.mktemp("shown") / "run"
    tm.save_run(path, network, results[1])
    kept_apart = hold_out_users(split)
    unseen_users = evaluate_cold_start(tm.Popularity().fit(kept_apart.split), kept_apart)
    compared = tm.compare([tm.Popularity()], split, path.with_name("comparison"), protocol=protocol)
    tuned = tm.tune("itemknn", split, path.with_name("tuning"), n_trials=1)
    keys = model.item_vectors
    assert keys is not None
    lists = tm.SampledRanking(negatives=3)
    shards = path.with_name("shards")
    tm.recommend_shard(tm.open_run(path), 1, 1_000, shards)
    return [
        data, split, split.test, data.catalog, data.user_vocabulary, tm.describe(data),
        synthetic()[0], shop(50, 200), tm.UserTable(data.user_vocabulary.ids.to_frame()),
        model, network, network.log, tm.TrainingRun(folder=path), tm.NCF(), tm.open_run(path),
        model.users(data.user_vocabulary.ids), model.recommend(None, k=10), model.item_similarity,
        *results, tm.Entry("ease", results[0], 1.5),
        tm.Leaderboard([tm.Entry(f"m{i}", results[0]) for i in range(18)]),
        kept_apart, unseen_users, ColdStartResults({"popularity": unseen_users}, {}),
        EvaluationPlan(split, lists, (10,)), Search("ease", split), compared, tuned,
        protocol, tm.FullRanking(), tm.CandidateLists(),
        tm.Progress("training", 3, 90, 1, 5, {"loss": 0.123456789}),
        tm.ExactIndex(keys), tm.BFloat16Index(keys), tm.ApproximateIndex.build(keys),
        tm.read_shards(shards), tm.Eligible(never=list(range(5_000))),
        Client("http://127.0.0.1:1", key="secret-key"),
        wire.RecommendationsRequest(history=list(range(900))),
    ]  # fmt: skip


def _within(thing: object, seen: set[int]) -> Iterator[object]:
    """The object and all objects of the package that its public attributes hold."""
    if id(thing) in seen or not type(thing).__module__.startswith("tastemaker."):
        return
    seen.add(id(thing))
    yield thing
    held = vars(thing) if hasattr(thing, "__dict__") else {}
    for value in (held[name] for name in held if not name.startswith("_")):
        inner = value.values() if isinstance(value, dict) else value
        for one in inner if isinstance(inner, list | tuple) else (inner,):
            yield from _within(one, seen)


def test_every_public_object_shows_itself_in_a_few_lines(objects: list[object]) -> None:
    seen: set[int] = set()
    everything = [one for thing in objects for one in _within(thing, seen)]
    for thing in everything:
        if hasattr(type(thing), "forward"):  # a network: PyTorch shows its layers
            continue
        text = repr(thing)
        name = type(thing).__name__
        assert name in text or "┌" in text, text
        assert " at 0x" not in text, text
        if isinstance(thing, tm.Recommendations):
            assert text.count("\n") < LONGEST_TABLE
        else:
            assert len(text) < LONGEST, f"{name}: {len(text)} characters"


def test_the_html_of_every_public_object_is_short(objects: list[object]) -> None:
    shown = [thing for thing in objects if hasattr(thing, "_repr_html_")]
    assert {type(thing) for thing in shown} >= {
        tm.Dataset, tm.Split, tm.Evaluation, tm.Leaderboard, tm.ComparisonResult,
        tm.Recommendations,
    }  # fmt: skip
    for thing in shown:
        assert thing._repr_html_().count("<tr>") <= LONGEST_TABLE


def test_every_public_class_is_tested(objects: list[object]) -> None:
    kinds = {getattr(tm, name) for name in tm.__all__}
    missing = [
        kind.__name__
        for kind in kinds
        if inspect.isclass(kind) and not issubclass(kind, Exception | tm.Recommender)
        if not getattr(kind, "_is_protocol", False)
        if not any(isinstance(thing, kind) for thing in objects)
    ]
    assert not missing


def test_models_and_results_have_a_short_representation(objects: list[object]) -> None:
    texts = [repr(thing) for thing in objects]
    assert "NCF(epochs=1, batch_size=4096, seed=7), trained on synthetic (seed 0)" in texts
    assert "NCF(), not trained" in texts
    (board,) = (text for text in texts if text.startswith("Leaderboard"))
    assert board.startswith("Leaderboard(ndcg@10: m0 0.")
    assert board.endswith("and 13 more)")
    assert not any("secret-key" in text for text in texts)


def test_values_are_shown_by_their_size() -> None:
    assert short(np.zeros((3_000, 4))) == "<3,000×4 float64>"
    assert short(pl.DataFrame({"a": [1, 2]})) == "<2×1 DataFrame>"
    assert short(list(range(1_000))) == "<1,000 values>"
    assert short({"k": (5, 10)}) == "{'k': (5, 10)}"
    assert short(np.float64(0.5)) == repr(np.float64(0.5))
    assert len(short("x" * 1_000)) == 60


def test_an_evaluation_is_a_tidy_frame(objects: list[object]) -> None:
    evaluation = next(thing for thing in objects if isinstance(thing, tm.Evaluation))
    frame = evaluation.to_frame()
    assert frame.columns == ["model", "metric", "value", "low", "high", "n_users"]
    assert frame["model"].unique(maintain_order=True).to_list() == ["ease", "popularity"]
    (row,) = frame.filter(model="ease", metric="ndcg@10").iter_rows(named=True)
    assert row["value"] == evaluation.metrics["ndcg@10"]
    assert (row["low"], row["high"]) == evaluation.intervals["ndcg@10"]
    assert row["n_users"] == 1_000
    assert len(frame) == 2 * len(evaluation.metrics)


def test_a_leaderboard_is_a_frame_with_a_row_for_each_model(objects: list[object]) -> None:
    evaluation = next(thing for thing in objects if isinstance(thing, tm.Evaluation))
    board = tm.Leaderboard([tm.Entry("broken", error="no times"), tm.Entry("ease", evaluation)])
    frame = board.to_frame()
    assert frame["model"].to_list() == ["ease", "broken"]
    assert frame["rank"].to_list() == [1, None]
    assert frame["ndcg@10"].to_list() == [evaluation.metrics["ndcg@10"], None]
    assert frame["ndcg@10_low"][0] == evaluation.intervals["ndcg@10"][0]
    assert frame["error"].to_list() == [None, "no times"]
    assert tm.Leaderboard([]).to_frame().columns == ["rank", "model", "fit_s", "error"]
