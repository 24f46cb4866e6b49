"""Comparison: several models on one split; what is in the folder already is not trained again."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from tastemaker import artifact
from tastemaker.bundle.bundle import RUN
from tastemaker.bundle.unfinished import identity_of, only_one
from tastemaker.data.split import Split
from tastemaker.errors import ConfigError, TastemakerError, did_you_mean
from tastemaker.evaluation.cold_start import ColdStart, hold_out_users
from tastemaker.evaluation.cold_start_results import ColdStarts
from tastemaker.evaluation.leaderboard import Correction, Entry, Leaderboard
from tastemaker.evaluation.protocols import FullRanking, RankingProtocol
from tastemaker.experiments.answers import Listener, ModelAnswer, Question, answer
from tastemaker.experiments.cold_start_answers import ColdStartAnswer, cold_start_answer
from tastemaker.experiments.comparison_files import COMPARISON, run_folder, write_results
from tastemaker.metrics.accuracy import ACCURACY
from tastemaker.models.recommender import Recommender
from tastemaker.progress import Progress
from tastemaker.shown import short_repr
from tastemaker.training.run import DeviceName, resolve_device

T = TypeVar("T", ModelAnswer, ColdStartAnswer)
Q = TypeVar("Q", Question, ColdStart)


@dataclass(frozen=True)
class ComparisonListener:
    """Functions that `compare` calls while it runs; by default they do nothing."""

    on_begin: Callable[[list[str], ColdStart | None], None] = lambda labels, cold: None
    """Receives the labels of the models before the first of them is trained: once with None, and
    again with the users held out for cold start before the models are trained without them."""
    on_stage: Callable[[str, str], None] = lambda label, stage: None
    """Receives the label and "training" or "evaluating" when either begins."""
    on_progress: Callable[[str, Progress], None] = lambda label, progress: None
    """Receives the label and the progress of training."""
    on_done: Callable[[str, ModelAnswer | ColdStartAnswer], None] = lambda label, answer: None
    """Receives the label and the result of a model."""
    on_failed: Callable[[str, Exception], None] = lambda label, error: None
    """Receives the label and the error of a model that failed. What it raises ends the
    comparison."""

    def of(self, label: str) -> Listener:
        """The listener for one model."""
        return Listener(
            lambda stage: self.on_stage(label, stage),
            lambda progress: self.on_progress(label, progress),
        )


@dataclass(frozen=True, eq=False)
class ComparisonResult:
    """What a comparison found."""

    leaderboard: Leaderboard
    models: dict[str, Recommender]
    """The fitted models by label, without those that failed."""
    how: dict[str, str]
    """For each model, whether it was trained, and why again, or what was used again."""
    cold_starts: ColdStarts | None
    """Accuracy for unseen users; None where it was not asked for."""
    cold_start_how: dict[str, str]
    interrupted: bool
    """Whether Ctrl-C ended the comparison before all models had their turn."""
    folder: Path

    __repr__ = short_repr

    @property
    def some_failed(self) -> bool:
        """Whether at least one model failed."""
        cold = self.cold_starts
        return any(entry.error for entry in self.leaderboard.entries) or bool(cold and cold.failed)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: the leaderboard and, where it was asked for, cold start."""
        return _facts(self.leaderboard, self.cold_starts)


def compare(
    models: Mapping[str, Recommender] | Sequence[Recommender],
    split: Split,
    folder: str | Path,
    *,
    protocol: RankingProtocol | None = None,
    k: Sequence[int] = (10, 20),
    metric: str | None = None,
    correction: Correction = "holm",
    cold_start: bool = False,
    device: DeviceName = "auto",
    listener: ComparisonListener = ComparisonListener(),  # frozen
) -> ComparisonResult:
    """Trains and evaluates models on one split, and orders them.

    Each model becomes a run folder in `models/`, and is trained again only if its settings or the
    data have changed. A model that fails does not stop the others.

    Args:
        models: unfitted models, by label or with their names as labels.
        split: with a test part.
        folder: folder to make, or one of an earlier comparison.
        protocol: how held-out items are ranked; full ranking by default.
        k: lengths of list that are evaluated.
        metric: metric that decides the order; ndcg at the first k by default.
        correction: correction of the p-values for the number of pairs of models.
        cold_start: whether to train every model a second time without a tenth of the users, and
            to evaluate it on them.
        device: where to compute.
        listener: functions that are called while the comparison runs.

    Raises:
        ConfigError: an argument is wrong, a model does not learn from the weights of the data, or
            every model failed.
        SplitError: the split has no test part, or no users can be held out.
        ArtifactError: the folder holds something else, or another process writes to it.
        KeyboardInterrupt: Ctrl-C came before the first model was finished.
    """
    comparing = _Comparing(
        by_label(models), Path(folder), deciding_metric(metric, k), correction, device, listener
    )
    refuse_early(comparing.folder, comparing.models, device)
    comparing.refuse_weights(split)
    split.targets("test")
    cold = hold_out_users(split) if cold_start else None
    return comparing.run(Question(split, protocol or FullRanking(), tuple(k), cold))


def by_label(models: Mapping[str, Recommender] | Sequence[Recommender]) -> dict[str, Recommender]:
    """The models by label; in a sequence their names are their labels.

    Raises:
        ConfigError: there are no models, or two of the same name.
    """
    if isinstance(models, Mapping):
        labelled = dict(models)
    else:
        labelled = {model.name: model for model in models}
        if len(labelled) < len(models):
            raise ConfigError("two models have the same name; give them labels: {label: model, …}")
    if not labelled:
        raise ConfigError("there is no model to compare")
    return labelled


def deciding_metric(metric: str | None, k: Sequence[int]) -> str:
    """The metric that decides the order, ndcg at the first k by default.

    Raises:
        ConfigError: it is not measured at these lengths of list.
    """
    if not k or min(k) < 1:
        raise ConfigError(f"k={min(k, default=0)}: list lengths must be 1 or more")
    measured = [f"{name}@{cut}" for cut in k for name in ACCURACY]
    if metric is not None and metric not in measured:
        raise ConfigError(f'metric="{metric}" is not measured; {did_you_mean(metric, measured)}')
    return metric or f"ndcg@{k[0]}"


def refuse_early(folder: Path, labels: Iterable[str], device: DeviceName) -> None:
    """Raises what `compare` would raise for these arguments, before any data are read."""
    artifact.refuse_foreign(folder, COMPARISON)
    for label in labels:
        artifact.refuse_foreign(run_folder(folder, label), RUN)
    resolve_device(device)


@dataclass(frozen=True)
class _Turns(Generic[T]):
    """The results of the models that had their turn."""

    done: dict[str, T] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Reasons."""
    interrupted: bool = False


@dataclass(frozen=True)
class _Comparing:
    """The steps of one comparison."""

    models: dict[str, Recommender]
    folder: Path
    metric: str
    correction: Correction
    device: DeviceName
    listener: ComparisonListener

    def refuse_weights(self, split: Split) -> None:
        """Names all models that do not learn from the weights, before any is trained."""
        unable = [label for label, model in self.models.items() if not model.uses_weights]
        if split.train.weights is not None and unable:
            others = [label for label in self.models if label not in unable]
            left = f', or compare only the others: models="{",".join(others)}"' if others else ""
            raise ConfigError(
                f"of the models to compare, {', '.join(unable)} cannot learn from weights: "
                f"leave out weight=…{left}"
            )

    def run(self, question: Question) -> ComparisonResult:
        new = not self.folder.exists()
        with only_one(self.folder):
            artifact.claim(self.folder, COMPARISON, self._about(question))
            fitted = self._fitted(question)
            if not fitted.done:
                if new and not any((self.folder / "models").glob("*")):
                    shutil.rmtree(self.folder)
                if fitted.interrupted:
                    raise KeyboardInterrupt("the first model was not finished")
                reasons = "; ".join(f"{label}: {why}" for label, why in fitted.failed.items())
                raise ConfigError(f"every model failed: {reasons}")
            again = self._fitted_again(fitted, question)
            board = self._leaderboard(fitted)
            cold_starts = _cold_starts(again, board)
            write_results(self.folder, board, _facts(board, cold_starts))
        return ComparisonResult(
            board,
            {label: each.model for label, each in fitted.done.items()},
            {label: each.how for label, each in fitted.done.items()},
            cold_starts,
            {label: each.how for label, each in again.done.items()},
            fitted.interrupted or again.interrupted,
            self.folder,
        )

    def _fitted(self, question: Question) -> _Turns[ModelAnswer]:
        return self._in_turn(list(self.models), None, answer, question)

    def _fitted_again(
        self, fitted: _Turns[ModelAnswer], question: Question
    ) -> _Turns[ColdStartAnswer]:
        """Every model that did not fail, trained without the users held out for cold start."""
        cold = question.cold_start
        if cold is None or fitted.interrupted:
            return _Turns()

        return self._in_turn(list(fitted.done), cold, cold_start_answer, cold)

    def _in_turn(
        self,
        labels: list[str],
        cold: ColdStart | None,
        work: Callable[[Path, Recommender, Q, DeviceName, Listener], T],
        question: Q,
    ) -> _Turns[T]:
        """Puts a question to each model, and tells the listener how it stands."""
        done: dict[str, T] = {}
        failed: dict[str, str] = {}
        self.listener.on_begin(labels, cold)
        for label in labels:
            try:
                path, listener = run_folder(self.folder, label), self.listener.of(label)
                done[label] = work(path, self.models[label], question, self.device, listener)
            except KeyboardInterrupt:
                return _Turns(done, failed, interrupted=True)
            except Exception as error:
                failed[label] = reason_of(error)
                self.listener.on_failed(label, error)
            else:
                self.listener.on_done(label, done[label])
        return _Turns(done, failed)

    def _leaderboard(self, fitted: _Turns[ModelAnswer]) -> Leaderboard:
        entries = [
            Entry(label, each.evaluation, each.model.log.fit_s)
            for label, each in fitted.done.items()
        ]
        entries += [Entry(label, error=reason) for label, reason in fitted.failed.items()]
        return Leaderboard(entries, self.metric, self.correction)

    def _about(self, question: Question) -> dict[str, object]:
        models = {label: identity_of(m, question.split) for label, m in self.models.items()}
        return {"protocol": question.protocol.describe(), "k": question.k, "models": models}


def reason_of(error: Exception) -> str:
    """An error in one line; one that is not ours with its type."""
    text = " ".join(str(error).split())
    if isinstance(error, TastemakerError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _facts(board: Leaderboard, cold_starts: ColdStarts | None) -> dict[str, Any]:
    return board.to_dict() | ({} if cold_starts is None else {"cold_start": cold_starts.to_dict()})


def _cold_starts(again: _Turns[ColdStartAnswer], board: Leaderboard) -> ColdStarts | None:
    """In the order of the leaderboard; None where cold start was not asked for."""
    if not again.done and not again.failed:
        return None
    done = [entry.name for entry, _ in board.ranked if entry.name in again.done]
    return ColdStarts({name: again.done[name].result for name in done}, again.failed)
