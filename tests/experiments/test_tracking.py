"""Trackers: what is recorded of a training and of a comparison, and what happens without one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import tastemaker as tm
from tastemaker.cli.tracking import refuse_missing
from tastemaker.errors import UnsupportedError
from tastemaker.experiments.comparison_listener import ComparisonListener
from tastemaker.experiments.tracking import ComparisonRecorder, Status, TrainingRecord
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.run import TrainingRun

SPLIT = tm.leave_one_out(two_tastes())


class Notebook:
    """A tracker that writes down what it is given, until it cannot be reached.

    As in MLflow, a record begins only after the one before it has ended.
    """

    def __init__(self, *, lost_after_epoch: int = 100) -> None:
        self.lines: list[tuple[str, Any]] = []
        self._lost_after_epoch = lost_after_epoch

    def start(self, name: str) -> None:
        if len(self.of("start")) > len(self.of("end")):
            raise RuntimeError("the record before has not ended")
        self.lines.append(("start", name))

    def parameters(self, values: Mapping[str, Any]) -> None:
        self.lines.append(("parameters", dict(values)))

    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        if number > self._lost_after_epoch:
            raise ConnectionError("no route\nto host")
        self.lines.append(("epoch", (number, dict(metrics))))

    def results(self, metrics: Mapping[str, float]) -> None:
        self.lines.append(("results", dict(metrics)))

    def artifact(self, path: Path) -> None:
        self.lines.append(("artifact", path))

    def end(self, status: Status) -> None:
        self.lines.append(("end", status))

    def of(self, kind: str) -> list[Any]:
        return [value for name, value in self.lines if name == kind]


def mf(**settings: Any) -> tm.MF:
    return tm.MF(**{"epochs": 3, "batch_size": 64, "embedding_size": 8, "seed": 1} | settings)


def refuse(line: str) -> None:
    raise AssertionError(line)


def test_parameters_epochs_and_results_of_a_training_are_recorded(tmp_path: Path) -> None:
    notebook, model = Notebook(), mf()
    record = TrainingRecord(notebook, refuse)
    record.begin("first", model, SPLIT)
    model.fit(SPLIT, TrainingRun(on_progress=record.on_progress))
    evaluation = tm.evaluate(model, SPLIT, tm.FullRanking(), k=[5])
    record.finish(model.log, evaluation, tmp_path)

    (parameters,) = notebook.of("parameters")
    assert parameters["model"] == "mf"
    assert parameters["config.embedding_size"] == 8
    assert parameters["fingerprint"] == SPLIT.train.fingerprint
    epochs = notebook.of("epoch")
    assert [number for number, _ in epochs] == [1, 2, 3]
    assert [metrics["loss"] for _, metrics in epochs] == [r["loss"] for r in model.log.records]
    (results,) = notebook.of("results")
    assert results["test_ndcg@5"] == evaluation.metrics["ndcg@5"]
    assert results["best_epoch"] == model.log.best_epoch
    assert notebook.of("artifact") == [tmp_path]
    kinds = [kind for kind, _ in notebook.lines]
    assert kinds[:2] == ["start", "parameters"]
    assert kinds[-3:] == ["results", "artifact", "end"]
    assert notebook.of("end") == ["finished"]


def test_epochs_before_a_resume_are_recorded_with_the_results(tmp_path: Path) -> None:
    notebook, model = Notebook(), mf().fit(SPLIT)
    record = TrainingRecord(notebook, refuse)
    record.begin("resumed", model, SPLIT)
    record.finish(model.log, None, tmp_path)
    assert [number for number, _ in notebook.of("epoch")] == [1, 2, 3]


def test_the_parts_of_a_blend_are_told_apart(tmp_path: Path) -> None:
    notebook = Notebook()
    model = tm.Blend(parts=("ease", "mf"), mf={"epochs": 2, "embedding_size": 8})
    record = TrainingRecord(notebook, refuse)
    record.begin("blend", model, SPLIT)
    model.fit(SPLIT, TrainingRun(on_progress=record.on_progress))
    record.finish(model.log, None, tmp_path)
    names = [(number, name) for number, metrics in notebook.of("epoch") for name in metrics]
    assert [number for number, name in names if name == "mf.loss"] == [1, 2]


def test_a_tracker_that_is_lost_does_not_end_the_training(tmp_path: Path) -> None:
    notebook, lines, model = Notebook(lost_after_epoch=1), [], mf()
    record = TrainingRecord(notebook, lines.append)
    record.begin("lost", model, SPLIT)
    model.fit(SPLIT, TrainingRun(on_progress=record.on_progress))
    record.finish(model.log, None, tmp_path)
    assert len(model.log.records) == 3
    assert lines == ["the rest of this training is not recorded: no route to host"]
    assert [number for number, _ in notebook.of("epoch")] == [1]
    assert notebook.of("end") == ["failed"]


def test_without_a_tracker_the_data_are_not_hashed() -> None:
    split = tm.leave_one_out(two_tastes())
    TrainingRecord(None, refuse).begin("nowhere", mf(), split)
    assert "fingerprint" not in vars(split.train)


def compare(
    folder: Path,
    notebook: Notebook,
    models: dict[str, tm.Recommender],
    on_lost: Callable[[str], None] = refuse,
) -> list[str]:
    """Compares with a recorder, and returns the labels that the other listener was told of."""
    told: list[str] = []
    shown = ComparisonListener(
        on_done=lambda label, result: told.append(label),
        on_failed=lambda label, error: told.append(label),
    )
    recorder = ComparisonRecorder(notebook, models, SPLIT, folder, on_lost, shown)
    tm.compare(models, SPLIT, folder, k=(5,), cold_start=True, listener=recorder.listener())
    recorder.end()
    return told


def test_models_of_a_comparison_are_recorded_when_they_are_trained(tmp_path: Path) -> None:
    folder, notebook = tmp_path / "which", Notebook()
    told = compare(folder, notebook, {"ease": tm.EASE(), "small": mf(), "other": mf(seed=2)})
    assert set(told) == {"ease", "small", "other"}
    assert notebook.of("start") == ["which/ease", "which/small", "which/other"]
    assert notebook.of("artifact")[0] == folder / "models" / "ease"
    assert notebook.of("end") == ["finished"] * 3

    again = Notebook()
    compare(folder, again, {"ease": tm.EASE(), "small": mf(epochs=2)})
    assert again.of("start") == ["which/small"]


def test_a_model_that_fails_ends_its_record(tmp_path: Path) -> None:
    notebook = Notebook()
    models = {"ease": tm.EASE(), "wild": mf(learning_rate=1e30)}
    assert "wild" in compare(tmp_path / "which", notebook, models)
    assert notebook.of("end") == ["finished", "failed"]


def test_the_models_after_one_that_lost_its_tracker_are_recorded(tmp_path: Path) -> None:
    notebook, lines = Notebook(lost_after_epoch=1), []
    models = {"long": mf(), "short": mf(epochs=1)}
    compare(tmp_path / "which", notebook, models, lines.append)
    assert notebook.of("start") == ["which/long", "which/short"]
    assert notebook.of("end") == ["failed", "finished"]
    assert len(lines) == 1


def test_without_mlflow_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UnsupportedError, match=r'pip install "tastemaker\[mlflow\]"'):
        refuse_missing("mlflow")
    refuse_missing(None)


def tracked(folder: Path, uri: str, *arguments: object) -> subprocess.CompletedProcess:
    """`tastemaker train --track mlflow` with a folder or database of MLflow."""
    command = [
        sys.executable, "-m", "tastemaker", "train", "synthetic", "--track", "mlflow", "--json",
        "--out", folder / "run", *arguments,
    ]  # fmt: skip
    variables = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_ALLOW_FILE_STORE": "true"}
    return subprocess.run(
        list(map(str, command)), env=os.environ | variables, cwd=folder,
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_run_of_mlflow_has_what_the_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    uri = (tmp_path / "mlruns").as_uri()
    done = tracked(tmp_path, uri, "--model", "mf", "--set", "epochs=2", "-k", 5)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert f"recording with mlflow at {uri}" in done.stderr

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = mlflow.MlflowClient(uri)
    (run,) = client.search_runs(["0"])
    assert run.info.run_name == "run"
    assert run.info.status == "FINISHED"
    assert run.data.params["config.epochs"] == "2"
    assert run.data.metrics["test_ndcg_at_5"] == pytest.approx(printed["metrics"]["ndcg@5"])
    assert [each.step for each in client.get_metric_history(run.info.run_id, "loss")] == [1, 2]
    assert run.data.tags["run_folder"] == str(tmp_path / "run")


@pytest.mark.slow
def test_an_unusable_address_is_refused_before_the_training(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    done = tracked(tmp_path, "nonsense://nowhere", "--model", "ease")
    assert done.returncode == 2
    assert "MLFLOW_TRACKING_URI names the server" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_refused_folder_leaves_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    uri = (tmp_path / "mlruns").as_uri()
    (tmp_path / "run.partial").mkdir()
    done = tracked(tmp_path, uri, "--model", "ease")
    assert done.returncode != 0
    assert "is not an unfinished run" in done.stderr
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert mlflow.MlflowClient(uri).search_runs(["0"]) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_lost_server_does_not_stall_the_training_for_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    from mlflow.environment_variables import (
        MLFLOW_HTTP_REQUEST_MAX_RETRIES,
        MLFLOW_HTTP_REQUEST_TIMEOUT,
    )

    from tastemaker.experiments.mlflow_tracker import MlflowTracker

    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7")
    # Set before it is deleted, so that what the tracker sets is gone after the test.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT")
    MlflowTracker()
    assert MLFLOW_HTTP_REQUEST_TIMEOUT.get() == 10
    assert MLFLOW_HTTP_REQUEST_MAX_RETRIES.get() == 7  # the user's own value
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    MlflowTracker()
    assert MLFLOW_HTTP_REQUEST_MAX_RETRIES.get() == 2
