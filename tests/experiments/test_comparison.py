"""tm.compare: from Python what `tastemaker compare` does, with objects in place of tables."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker import artifact
from tastemaker.bundle.bundle import RUN
from tastemaker.data.split import Split
from tastemaker.errors import ConfigError
from tastemaker.experiments.comparison_files import run_folder
from tastemaker.experiments.comparison_listener import ComparisonListener
from tastemaker.experiments.model_runs import adding_files
from tastemaker.testing.worlds import two_tastes


@pytest.fixture(scope="module")
def split() -> Split:
    return tm.leave_one_out(two_tastes())


class Broken(tm.Popularity):
    def _fit(self, split: Split, run: tm.TrainingRun) -> None:
        raise RuntimeError("a screw is loose")


def test_models_are_ranked_and_kept_as_runs(split: Split, tmp_path: Path) -> None:
    models = {"popularity": tm.Popularity(), "light": tm.EASE(regularization=1.0)}
    result = tm.compare(models, split, tmp_path / "out", k=(5,))
    assert [entry.name for entry, _ in result.leaderboard.ranked] == ["light", "popularity"]
    assert result.leaderboard.metric == "ndcg@5"
    assert result.how == {"popularity": "trained", "light": "trained"}
    assert not result.interrupted
    assert not result.some_failed
    assert json.loads((tmp_path / "out" / "leaderboard.json").read_text()) == json.loads(
        json.dumps(result.to_dict())
    )
    kept = tm.open_run(run_folder(result.folder, "light")).model
    assert kept.recommend([0], 3).frame.equals(result.models["light"].recommend([0], 3).frame)


def test_the_same_call_trains_no_model_again(split: Split, tmp_path: Path) -> None:
    stages: list[tuple[str, str]] = []
    listener = ComparisonListener(on_stage=lambda label, stage: stages.append((label, stage)))

    def compared() -> tm.ComparisonResult:
        # A fitted model would keep what it learned, so each call has new ones.
        return tm.compare([tm.Popularity(), tm.EASE()], split, tmp_path / "out", listener=listener)

    first = compared()
    assert stages == [
        ("popularity", "training"), ("popularity", "evaluating"),
        ("ease", "training"), ("ease", "evaluating"),
    ]  # fmt: skip
    stages.clear()
    second = compared()
    assert stages == []
    assert set(second.how.values()) == {"reused"}
    assert second.leaderboard.to_frame().equals(first.leaderboard.to_frame())


def test_a_run_with_weights_of_another_version_is_trained_again(
    split: Split, tmp_path: Path
) -> None:
    def compared() -> tm.ComparisonResult:
        return tm.compare([tm.EASE()], split, tmp_path / "out")

    first = compared()
    path = run_folder(first.folder, "ease")
    with adding_files(artifact.reading(path, RUN)) as out:
        out.tensors("weights.safetensors", {"of_earlier_times": torch.ones(3)})
    second = compared()
    assert second.how == {
        "ease": "trained again: its weights were written by another version of tastemaker"
    }
    (entry,), (first_entry,) = second.leaderboard.entries, first.leaderboard.entries
    assert entry.evaluation is not None
    assert first_entry.evaluation is not None
    assert entry.evaluation.metrics == first_entry.evaluation.metrics
    assert compared().how == {"ease": "reused"}


def test_cold_start_is_evaluated_on_request(split: Split, tmp_path: Path) -> None:
    begun: list[tuple[list[str], bool]] = []
    listener = ComparisonListener(on_begin=lambda labels, cold: begun.append((labels, bool(cold))))
    result = tm.compare([tm.EASE()], split, tmp_path / "out", cold_start=True, listener=listener)
    assert begun == [(["ease"], False), (["ease"], True)]
    assert result.cold_starts is not None
    assert list(result.cold_starts.results) == ["ease"]
    assert result.cold_start_how == {"ease": "trained"}
    assert result.to_dict()["cold_start"]["models"][0]["name"] == "ease"


def test_a_model_that_fails_is_an_entry_and_the_others_go_on(split: Split, tmp_path: Path) -> None:
    failed: list[str] = []
    listener = ComparisonListener(on_failed=lambda label, error: failed.append(label))
    models = {"broken": Broken(), "popularity": tm.Popularity()}
    result = tm.compare(models, split, tmp_path / "out", listener=listener)
    assert result.some_failed
    assert failed == ["broken"]
    assert list(result.models) == ["popularity"]
    assert result.leaderboard.entries[-1].error == "RuntimeError: a screw is loose"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"models": []}, "no model to compare"),
        ({"models": [tm.EASE(), tm.EASE(regularization=3.0)]}, "two models have the same name"),
        ({"metric": "ndgc@10"}, 'metric="ndgc@10" is not measured; did you mean "ndcg@10"'),
        ({"k": (5,), "metric": "ndcg@10"}, "is not measured"),
        ({"k": ()}, "list lengths must be 1 or more"),
        ({"models": [Broken()]}, "every model failed: popularity: RuntimeError"),
    ],
)
def test_invalid_arguments_are_refused_and_leave_no_files(
    split: Split, tmp_path: Path, arguments: dict, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        tm.compare(
            **{"models": [tm.EASE()], "split": split, "folder": tmp_path / "out"} | arguments
        )
    assert not (tmp_path / "out").exists()


def test_strict_refuses_weights_before_any_model_is_trained(tmp_path: Path) -> None:
    log = pl.DataFrame({"user": [1, 1, 1, 2, 2, 2], "item": [1, 2, 3, 1, 2, 3]})
    log = log.with_columns(plays=pl.col("item") * 2)
    weighted = tm.leave_one_out(tm.read(log, weight="plays"), by="input")
    models = [tm.EASE(), tm.Random()]
    with pytest.raises(ConfigError, match=r"random does not learn from weights.*strict=True"):
        tm.compare(models, weighted, tmp_path / "out", strict=True)
    assert not (tmp_path / "out").exists()
    assert len(tm.compare(models, weighted, tmp_path / "out").models) == 2


def test_one_length_of_list_is_enough(split: Split, tmp_path: Path) -> None:
    result = tm.compare([tm.Popularity()], split, tmp_path / "out", k=5)
    assert result.leaderboard.metric == "ndcg@5"


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        ([tm.Popularity()], {"k": 10.5}, "k=10.5: list lengths must be 1 or more"),
        ([tm.Popularity()], {"k": ()}, "list lengths must be 1 or more"),
        (["ease"], {}, "'ease' is no model"),
        ([tm.EASE], {}, "is no model; give objects such as tm.EASE()"),
        (tm.EASE(), {}, "give models as a list"),
        ({"../outside": tm.Popularity()}, {}, '"../outside" cannot be a label'),
    ],
)
def test_wrong_models_and_lengths_are_refused_before_anything_is_written(
    models: Any, options: dict[str, Any], message: str, split: Split, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        tm.compare(models, split, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())
