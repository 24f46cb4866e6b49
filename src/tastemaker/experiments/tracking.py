"""Trackers: places outside the run folders in which trainings are recorded, such as MLflow."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Protocol

from tastemaker.bundle.unfinished import flattened, identity_of
from tastemaker.data.split import Split
from tastemaker.evaluation.cold_start import ColdStart
from tastemaker.evaluation.results import Evaluation
from tastemaker.experiments.cold_start_runs import ColdStartModelResult
from tastemaker.experiments.comparison_files import run_folder
from tastemaker.experiments.comparison_listener import ComparisonListener
from tastemaker.experiments.model_runs import ModelResult
from tastemaker.models.recommender import Recommender
from tastemaker.progress import Progress
from tastemaker.training.run import TrainingLog

TrackerName = Literal["mlflow"]
Status = Literal["finished", "interrupted", "failed"]


class Tracker(Protocol):
    """Records one training after the other. Every method may raise any exception."""

    def start(self, name: str) -> None:
        """Begins the record of a training."""

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Records what the training depends on: model, settings, data and split."""

    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        """Records the loss and the validation metrics of an epoch, counted from 1."""

    def results(self, metrics: Mapping[str, float]) -> None:
        """Records the metrics of the finished model."""

    def artifact(self, path: Path) -> None:
        """Records the absolute path of the run folder."""

    def end(self, status: Status) -> None:
        """Ends the record."""


class TrainingRecord:
    """The record of one training; a tracker that fails does not end the training.

    Args:
        tracker: None to record nothing.
        on_lost: receives a line after the first failure, after which nothing more is recorded.
    """

    def __init__(self, tracker: Tracker | None, on_lost: Callable[[str], None]) -> None:
        self._tracker, self._on_lost = tracker, on_lost
        self._sent: set[tuple[str, int]] = set()

    def begin(self, name: str, model: Recommender, split: Split) -> None:
        """Begins the record with the parameters of the training."""
        if self._tracker is None:
            return
        train = split.train
        sizes = {"data": train.name, "interactions": len(train), "users": train.n_users}
        parameters = flattened(identity_of(model, split)) | sizes | {"items": train.n_items}
        self._send(lambda tracker: tracker.start(name))
        self._send(lambda tracker: tracker.parameters(parameters))

    def on_progress(self, progress: Progress) -> None:
        """Records the metrics of an epoch that has just ended."""
        if progress.metrics is not None:
            # A part of a model, such as sasrec in a blend, reports "training sasrec".
            part = progress.what.removeprefix("training").strip()
            self._epoch(part, progress.epoch, progress.metrics)

    def finish(self, log: TrainingLog, evaluation: Evaluation | None, folder: Path) -> None:
        """Ends the record of a training whose model is saved, with its results."""
        # A resumed training does not report the epochs before the interruption.
        for part, part_log in {"": log, **log.parts}.items():
            for record in part_log.records:
                metrics = {n: v for n, v in record.items() if n not in ("epoch", "elapsed_s")}
                self._epoch(part, record["epoch"], metrics)
        results: dict[str, float] = {"best_epoch": log.best_epoch, "fit_s": log.fit_s or 0.0}
        if evaluation is not None:
            results |= {f"{evaluation.part}_{n}": value for n, value in evaluation.metrics.items()}
        self._send(lambda tracker: tracker.results(results))
        self._send(lambda tracker: tracker.artifact(folder.absolute()))
        self.end("interrupted" if log.interrupted else "finished")

    def end(self, status: Status) -> None:
        """Ends the record, unless it has ended."""
        self._send(lambda tracker: tracker.end(status))
        self._tracker = None

    def _epoch(self, part: str, number: int, metrics: Mapping[str, float]) -> None:
        if (part, number) in self._sent:
            return
        self._sent.add((part, number))
        named = {f"{part}.{name}" if part else name: value for name, value in metrics.items()}
        self._send(lambda tracker: tracker.epoch(number, named))

    def _send(self, call: Callable[[Tracker], None]) -> None:
        if self._tracker is None:
            return
        try:
            call(self._tracker)
        except Exception as error:  # a tracker's own errors, or those of its network
            # A record that has not ended would keep the tracker from starting the next one.
            with suppress(Exception):
                self._tracker.end("failed")
            self._tracker = None
            reason = " ".join(str(error).split())
            self._on_lost(f"the rest of this training is not recorded: {reason}")


class ComparisonRecorder:
    """Records the models of a comparison that are trained, but not those that are reused.

    The second trainings for cold start are not recorded.

    Args:
        tracker: the place.
        models: the models by label.
        split: the split that they are trained on.
        folder: the folder of the comparison; its name and the label are the name of a record.
        on_lost: as for `TrainingRecord`.
        listener: receives the progress of the comparison as well.
    """

    def __init__(
        self,
        tracker: Tracker,
        models: Mapping[str, Recommender],
        split: Split,
        folder: Path,
        on_lost: Callable[[str], None],
        listener: ComparisonListener,
    ) -> None:
        self._tracker, self._on_lost, self._shown = tracker, on_lost, listener
        self._models, self._split, self._folder = models, split, folder
        self._record: TrainingRecord | None = None
        self._is_second = False

    def listener(self) -> ComparisonListener:
        """The functions for `compare`."""
        return ComparisonListener(
            self._begin, self._stage, self._progress, self._done, self._failed
        )

    def end(self) -> None:
        """Ends the record of a model whose training was interrupted."""
        if self._record is not None:
            self._record.end("interrupted")

    def _begin(self, labels: list[str], cold: ColdStart | None) -> None:
        self._is_second = cold is not None
        self._shown.on_begin(labels, cold)

    def _stage(self, label: str, stage: str) -> None:
        if stage == "training" and not self._is_second:
            self._record = self._begun(label)
        self._shown.on_stage(label, stage)

    def _progress(self, label: str, progress: Progress) -> None:
        if self._record is not None:
            self._record.on_progress(progress)
        self._shown.on_progress(label, progress)

    def _done(self, label: str, result: ModelResult | ColdStartModelResult) -> None:
        if isinstance(result, ModelResult):
            record, self._record = self._record, None
            if record is None and not result.how.startswith("reused"):
                record = self._begun(label)  # a worker on another machine has trained it
            if record is not None:
                record.finish(result.model.log, result.evaluation, run_folder(self._folder, label))
        self._shown.on_done(label, result)

    def _failed(self, label: str, error: Exception) -> None:
        record, self._record = self._record, None
        if record is not None:
            record.end("failed")
        self._shown.on_failed(label, error)

    def _begun(self, label: str) -> TrainingRecord:
        record = TrainingRecord(self._tracker, self._on_lost)
        record.begin(f"{self._folder.name}/{label}", self._models[label], self._split)
        return record
