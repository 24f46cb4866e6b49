"""The steps of a comparison: each model is run, here or by workers, and the results are ordered."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from tastemaker.bundle.unfinished import identity_of
from tastemaker.data.notes import logger
from tastemaker.errors import ConfigError, TastemakerError, reason_of
from tastemaker.evaluation.cold_start import ColdStart
from tastemaker.evaluation.cold_start_results import ColdStartResults
from tastemaker.evaluation.leaderboard import Correction, Entry, Leaderboard
from tastemaker.experiments.cold_start_runs import (
    ColdStartModelResult,
    train_and_evaluate_cold_start,
)
from tastemaker.experiments.comparison_files import COMPARISON, run_folder, write_results
from tastemaker.experiments.comparison_listener import ComparisonListener
from tastemaker.experiments.comparison_result import ComparisonResult, results_dict
from tastemaker.experiments.model_runs import (
    EvaluationPlan,
    Listener,
    ModelResult,
    train_and_evaluate,
)
from tastemaker.experiments.sharing import in_turn, refuse_workers
from tastemaker.folders import claim, exclusive_lock
from tastemaker.models.recommender import Recommender
from tastemaker.training.run import DeviceName

CLAIM_TIMEOUT_S = 5.0
"""Seconds for which a process that shares a comparison waits until others have claimed it."""

ModelWorkers = Callable[[list[str], bool], Iterator[tuple[str, str | Exception]]]
"""Trains models in other processes: receives their labels, and whether users are held out for cold
start. Yields each label, when its run folder is finished, with how the model was trained, or its
error if it failed."""

T = TypeVar("T", ModelResult, ColdStartModelResult)
Q = TypeVar("Q", EvaluationPlan, ColdStart)


@dataclass(frozen=True)
class _Results(Generic[T]):
    """The results of the models that were run."""

    done: dict[str, T] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Reasons."""
    interrupted: bool = False


@dataclass(frozen=True)
class ComparisonRun:
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
        """Runs every model, writes the results and returns them; raises as `compare` does."""
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
                raise _no_model(fitted)
            cold_start_runs = self._fitted_without_users(fitted, plan)
            board = self._leaderboard(fitted)
            cold_starts = _cold_starts(cold_start_runs, board)
            write_results(self.folder, board, results_dict(board, cold_starts))
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
                    if not isinstance(error, TastemakerError):
                        logger.debug("%s failed", label, exc_info=error)
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


def _no_model(fitted: _Results[ModelResult]) -> BaseException:
    """Returns the error of a comparison in which no model was finished."""
    reasons = "; ".join(f"{label}: {reason}" for label, reason in fitted.failed.items())
    if fitted.interrupted:
        failed = f"; failed: {reasons}" if reasons else ""
        return KeyboardInterrupt(f"no model was finished{failed}")
    return ConfigError(f"every model failed: {reasons}")


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
