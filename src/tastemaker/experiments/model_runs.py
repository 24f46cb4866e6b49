"""Trains, evaluates and saves the models of a comparison, each in a run folder and only once."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tastemaker import artifact
from tastemaker.artifact import ArtifactReader, ArtifactWriter
from tastemaker.bundle.bundle import OTHER_FORM, RUN, save_run
from tastemaker.bundle.evaluation_files import read_evaluation, write_evaluation
from tastemaker.bundle.finished import find_finished
from tastemaker.bundle.training_logs import log_of
from tastemaker.bundle.unfinished import can_resume, identity_of, training_folder
from tastemaker.data.split import Part, Split
from tastemaker.evaluation.cold_start import ColdStart
from tastemaker.evaluation.evaluate import evaluate
from tastemaker.evaluation.protocols import RankingProtocol
from tastemaker.evaluation.results import Evaluation
from tastemaker.folders import refuse_other_kind
from tastemaker.models.recommender import Recommender
from tastemaker.progress import OnProgress
from tastemaker.representation import short_repr
from tastemaker.training.run import DeviceName, TrainingRun, resolve_device

PART: Part = "test"


@dataclass(frozen=True, eq=False)
class EvaluationPlan:
    """How every model of a comparison is evaluated: on the held-out items of one split."""

    split: Split
    protocol: RankingProtocol
    k: tuple[int, ...]
    """Lengths of list that are evaluated."""
    cold_start: ColdStart | None = None
    """Users held out of a second training of every model; None without cold start."""

    __repr__ = short_repr

    def evaluate_model(
        self, model: Recommender, on_progress: OnProgress | None = None
    ) -> Evaluation:
        """Returns the accuracy of a fitted model, and the properties of its lists."""
        return evaluate(
            model, self.split, self.protocol, k=self.k, part=PART, baseline=False, lists=True,
            on_progress=on_progress,
        )  # fmt: skip

    def matches(self, evaluation: Evaluation) -> bool:
        """Returns whether an evaluation of a model on this split used the same protocol and k."""
        cutoffs = {int(name.partition("@")[2]) for name in evaluation.per_user}
        protocol = self.protocol.describe(self.split.train.rules)
        is_same = (evaluation.part, evaluation.protocol) == (PART, protocol)
        return is_same and cutoffs == set(self.k) and bool(evaluation.overall)


@dataclass(frozen=True)
class Listener:
    """Functions that receive the progress of one model."""

    on_stage: Callable[[str], None]
    """Called with "training" and "evaluating" when either begins."""
    on_progress: OnProgress
    """Receives the progress of training; see `TrainingRun.on_progress`."""


@dataclass(frozen=True, eq=False)
class ModelResult:
    """The result of one model."""

    model: Recommender
    """Fitted, with its log."""
    evaluation: Evaluation
    how: str
    """Whether the model was trained, why again, or what was reused."""

    __repr__ = short_repr


def train_and_evaluate(
    path: Path, model: Recommender, plan: EvaluationPlan, device: DeviceName, listener: Listener
) -> ModelResult:
    """Trains, evaluates and saves a model, or as much of that as its run folder lacks.

    Args:
        path: the run folder; it may exist already.
        model: unfitted; an existing run is used again if it has the same settings.
        plan: the split to train on, and what to measure.
        device: where to compute.
        listener: receives the progress.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was trained can be resumed by the same call.
        TastemakerError: the model cannot be trained on these data or with these settings.
    """
    refuse_other_kind(path, RUN)
    difference = None
    if path.exists():
        source, difference = find_finished(path, model, plan.split)
        if source is not None:
            try:
                fitted = _restored(source, model, plan.split, device)
            except OTHER_FORM:
                difference = "its weights were written by another version of tastemaker"
            else:
                return _reused(source, fitted, plan, listener)
    how = "trained" if difference is None else f"trained again: {difference}"
    return _trained(path, model, plan, device, listener, how)


def _trained(
    path: Path,
    model: Recommender,
    plan: EvaluationPlan,
    device: DeviceName,
    listener: Listener,
    how: str,
) -> ModelResult:
    with trained_in(path, model, plan.split, device, listener) as (folder, resumed):
        listener.on_stage("evaluating")
        evaluation = plan.evaluate_model(model, listener.on_progress)
        save_run(path, model, evaluation, logs=folder)
    return ModelResult(model, evaluation, "training resumed" if resumed else how)


@contextmanager
def trained_in(
    path: Path, model: Recommender, split: Split, device: DeviceName, listener: Listener
) -> Iterator[tuple[Path, bool]]:
    """Fits the model in `<path>.partial`; continues an interrupted training of the same model.

    Yields:
        The folder with its logs, which is removed when the block ends, and whether the training
        was resumed.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    identity = identity_of(model, split)
    resume = can_resume(path, identity)
    with training_folder(path, identity, resume=resume, restart=not resume) as folder:
        listener.on_stage("training")
        model.fit(split, TrainingRun(device, folder, resume, listener.on_progress))
        if model.log.interrupted:
            raise KeyboardInterrupt
        yield folder, resume


def _restored(
    source: ArtifactReader, model: Recommender, split: Split, device: DeviceName
) -> Recommender:
    """Returns the fitted model of a finished run, with the split that the models share."""
    fitted = type(model).from_state(
        model.config, split, source.tensors("weights.safetensors"), resolve_device(device)
    )
    fitted.log = log_of(source.json("training.json"))
    return fitted


def _reused(
    source: ArtifactReader, model: Recommender, plan: EvaluationPlan, listener: Listener
) -> ModelResult:
    stored = read_evaluation(source, plan.split)
    if stored is not None and plan.matches(stored):
        return ModelResult(model, stored, "reused")
    listener.on_stage("evaluating")
    evaluation = plan.evaluate_model(model, listener.on_progress)
    with adding_files(source) as out:
        write_evaluation(out, evaluation)
    return ModelResult(model, evaluation, "reused, evaluated again")


@contextmanager
def adding_files(former: ArtifactReader) -> Iterator[ArtifactWriter]:
    """Adds files to a finished run folder, or replaces them; all other files stay unchanged."""
    with artifact.writing(former.folder, RUN, keep_previous=False) as out:
        shutil.copytree(former.folder, out.folder, dirs_exist_ok=True)
        out.names += former.manifest["files"]
        yield out
