"""Comparison: several models on one split; models that are in the folder are not trained again."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from tastemaker.bundle.bundle import RUN
from tastemaker.bundle.unfinished import identity_of
from tastemaker.data.split import Split
from tastemaker.errors import ConfigError, TastemakerError, did_you_mean
from tastemaker.evaluation.cold_start import ColdStart, hold_out_users
from tastemaker.evaluation.cold_start_results import ColdStartResults
from tastemaker.evaluation.leaderboard import Correction, Entry, Leaderboard
from tastemaker.evaluation.protocols import FullRanking, RankingProtocol
from tastemaker.experiments.cold_start_runs import (
    ColdStartModelResult,
    train_and_evaluate_cold_start,
)
from tastemaker.experiments.comparison_files import COMPARISON, run_folder, write_results
from tastemaker.experiments.comparison_listener import ComparisonListener, listening
from tastemaker.experiments.model_runs import (
    EvaluationPlan,
    Listener,
    ModelResult,
    train_and_evaluate,
)
from tastemaker.experiments.sharing import in_turn, refuse_workers
from tastemaker.folders import claim, exclusive_lock, refuse_other_kind
from tastemaker.metrics.accuracy import ACCURACY
from tastemaker.models.recommender import Recommender
from tastemaker.representation import short_repr
from tastemaker.training.run import DeviceName, resolve_device

CLAIM_TIMEOUT_S = 5.0
"""Seconds for which a process that shares a comparison waits until others have claimed it."""

ModelWorkers = Callable[[list[str], bool], Iterator[tuple[str, str | Exception]]]
"""Trains models in other processes: receives their labels, and whether users are held out for cold
start. Yields each label, when its run folder is finished, with how the model
was trained, or its error if it failed."""

T = TypeVar("T", ModelResult, ColdStartModelResult)
Q = TypeVar("Q", EvaluationPlan, ColdStart)


@dataclass(frozen=True, eq=False)
class ComparisonResult:
    """The result of a comparison."""

    leaderboard: Leaderboard
    models: dict[str, Recommender]
    """The fitted models by label, without those that failed."""
    how: dict[str, str]
    """For each model, whether it was trained, why it was trained again, or what was reused."""
    cold_starts: ColdStartResults | None
    """Accuracy for unseen users; None if it was not evaluated."""
    cold_start_how: dict[str, str]
    interrupted: bool
    """Whether Ctrl-C ended the comparison before all models were run."""
    folder: Path

    __repr__ = short_repr

    def _repr_html_(self) -> str:
        return self.leaderboard._repr_html_()

    @property
    def some_failed(self) -> bool:
        """Whether at least one model failed."""
        cold = self.cold_starts
        return any(entry.error for entry in self.leaderboard.entries) or bool(cold and cold.failed)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON: the leaderboard and, if it was evaluated, cold start."""
        return _results_dict(self.leaderboard, self.cold_starts)


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
    share: bool = False,
    workers: ModelWorkers | None = None,
    device: DeviceName = "auto",
    strict: bool = False,
    listener: ComparisonListener | None = None,
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
        share: whether other processes, which make the same call, train models of the comparison at
            the same time. Each takes a model that no other one is training, waits until all are
            there, and returns the whole result. A model that fails is tried by each of them. The
            folder is on a disk that they share.
        workers: trains the models on other machines, which share the disk of the folder; see
            `cluster.ray_models.train_models`. This process only opens them.
        device: where to compute.
        strict: as for `Recommender.fit`, for all models before the first of them is trained.
        listener: functions that are called while the comparison runs; by default a notebook shows
            a bar.

    Raises:
        ConfigError: an argument is wrong, or every model failed; or see `strict`.
        SplitError: the split has no test part, or no users can be held out.
        ArtifactError: the folder holds something else, or another process writes to it.
        KeyboardInterrupt: Ctrl-C came before the first model was finished.
    """
    with listening(listener, lambda: result.interrupted) as heard:
        comparison = _ComparisonRun(
            by_label(models), Path(folder), deciding_metric(metric, k), correction, share, workers,
            device, heard,
        )  # fmt: skip
        refuse_early(comparison.folder, comparison.models, device)
        split.targets("test")
        if strict:
            for model in comparison.models.values():
                model.notes_on(split.train, strict=True)
        cold = hold_out_users(split) if cold_start else None
        result = comparison.run(EvaluationPlan(split, protocol or FullRanking(), tuple(k), cold))
    return result


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
    measured = [f"{name}@{cutoff}" for cutoff in k for name in ACCURACY]
    if metric is not None and metric not in measured:
        raise ConfigError(f'metric="{metric}" is not measured; {did_you_mean(metric, measured)}')
    return metric or f"ndcg@{k[0]}"


def refuse_early(folder: Path, labels: Iterable[str], device: DeviceName) -> None:
    """Raises the errors of `compare` for these arguments, before any data are read."""
    refuse_other_kind(folder, COMPARISON)
    for label in labels:
        refuse_other_kind(run_folder(folder, label), RUN)
    resolve_device(device)


@dataclass(frozen=True)
class _Results(Generic[T]):
    """The results of the models that were run."""

    done: dict[str, T] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Reasons."""
    interrupted: bool = False


@dataclass(frozen=True)
class _ComparisonRun:
    """The steps of one comparison."""

    models: dict[str, Recommender]
    folder: Path
    metric: str
    correction: Correction
    share: bool
    workers: ModelWorkers | None
    device: DeviceName
    listener: ComparisonListener

    def run(self, plan: EvaluationPlan) -> ComparisonResult:
        is_new = not self.folder.exists()
        with ExitStack() as lock:
            # With `share`, each holds the lock only while it writes the manifest; without it, a
            # process holds it during the whole comparison.
            lock.enter_context(exclusive_lock(self.folder, CLAIM_TIMEOUT_S if self.share else 0))
            if not self.share:
                refuse_workers(self.folder)
            claim(self.folder, COMPARISON, self._manifest_entries(plan))
            if self.share:
                lock.close()
            fitted = self._fitted(plan)
            if not fitted.done:
                if is_new and not self.share and not any((self.folder / "models").glob("*")):
                    shutil.rmtree(self.folder)
                reasons = "; ".join(f"{label}: {reason}" for label, reason in fitted.failed.items())
                if fitted.interrupted:
                    failed = f"; failed: {reasons}" if reasons else ""
                    raise KeyboardInterrupt(f"no model was finished{failed}")
                raise ConfigError(f"every model failed: {reasons}")
            cold_start_runs = self._fitted_without_users(fitted, plan)
            board = self._leaderboard(fitted)
            cold_starts = _cold_starts(cold_start_runs, board)
            write_results(self.folder, board, _results_dict(board, cold_starts))
        return ComparisonResult(
            board,
            {label: result.model for label, result in fitted.done.items()},
            {label: result.how for label, result in fitted.done.items()},
            cold_starts,
            {label: result.how for label, result in cold_start_runs.done.items()},
            fitted.interrupted or cold_start_runs.interrupted,
            self.folder,
        )

    def _fitted(self, plan: EvaluationPlan) -> _Results[ModelResult]:
        return self._for_each_model(list(self.models), None, train_and_evaluate, plan)

    def _fitted_without_users(
        self, fitted: _Results[ModelResult], plan: EvaluationPlan
    ) -> _Results[ColdStartModelResult]:
        """Trains again, without the users held out for cold start, each model that did not fail."""
        cold = plan.cold_start
        if cold is None or fitted.interrupted:
            return _Results()

        return self._for_each_model(list(fitted.done), cold, train_and_evaluate_cold_start, cold)

    def _for_each_model(
        self,
        labels: list[str],
        cold: ColdStart | None,
        run_model: Callable[[Path, Recommender, Q, DeviceName, Listener], T],
        plan: Q,
    ) -> _Results[T]:
        """Applies `run_model` to each model, and reports the results to the listener."""
        done: dict[str, T] = {}
        failed: dict[str, str] = {}
        interrupted = False
        self.listener.on_begin(labels, cold)
        try:
            for label, outcome in self._turns(labels, is_second=cold is not None):
                try:
                    if isinstance(outcome, Exception):
                        raise outcome
                    path, listener = run_folder(self.folder, label), self.listener.of(label)
                    result = run_model(path, self.models[label], plan, self.device, listener)
                    done[label] = replace(result, how=outcome or result.how)
                except Exception as error:
                    failed[label] = reason_of(error)
                    self.listener.on_failed(label, error)
                else:
                    self.listener.on_done(label, done[label])
        except KeyboardInterrupt:
            interrupted = True
        in_order = {label: done[label] for label in labels if label in done}
        return _Results(in_order, failed, interrupted)

    def _turns(
        self, labels: list[str], *, is_second: bool
    ) -> Iterator[tuple[str, str | Exception | None]]:
        """Yields each label when this process can run or open its model.

        If a worker has trained the model, the label comes with how it did so, or with its error.
        """
        if self.workers is not None:
            yield from self.workers(labels, is_second)
        elif self.share:
            yield from (
                (label, None) for label in in_turn(self.folder, labels, self.listener.on_stage)
            )
        else:
            yield from ((label, None) for label in labels)

    def _leaderboard(self, fitted: _Results[ModelResult]) -> Leaderboard:
        entries = [
            Entry(label, result.evaluation, result.model.log.fit_s)
            for label, result in fitted.done.items()
        ]
        entries += [Entry(label, error=reason) for label, reason in fitted.failed.items()]
        return Leaderboard(entries, self.metric, self.correction)

    def _manifest_entries(self, plan: EvaluationPlan) -> dict[str, object]:
        models = {label: identity_of(m, plan.split) for label, m in self.models.items()}
        return {
            "protocol": plan.protocol.describe(plan.split.train.rules),
            "k": plan.k,
            "models": models,
        }


def reason_of(error: Exception) -> str:
    """Returns an error in one line, with its type unless it is a TastemakerError."""
    text = " ".join(str(error).split())
    if isinstance(error, TastemakerError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _results_dict(board: Leaderboard, cold_starts: ColdStartResults | None) -> dict[str, Any]:
    return board.to_dict() | ({} if cold_starts is None else {"cold_start": cold_starts.to_dict()})


def _cold_starts(
    cold_start_runs: _Results[ColdStartModelResult], board: Leaderboard
) -> ColdStartResults | None:
    """Returns the results in the order of the leaderboard; None if there are none."""
    if not cold_start_runs.done and not cold_start_runs.failed:
        return None
    done = [entry.name for entry, _ in board.ranked if entry.name in cold_start_runs.done]
    return ColdStartResults(
        {name: cold_start_runs.done[name].result for name in done}, cold_start_runs.failed
    )
