"""The trials of a search in a storage, which one worker continues or several share.

Akiba, Sano, Yanase, Ohta and Koyama, 2019: Optuna (KDD); the sampler is the tree-structured Parzen
estimator of Bergstra, Bardenet, Bengio and Kégl, 2011 (NeurIPS).
"""

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from tastemaker.errors import ArtifactError, reason_of
from tastemaker.experiments.heartbeat import Watch, beating
from tastemaker.experiments.records import (
    ATTEMPT,
    BEST_EPOCH,
    ERROR,
    SEED,
    SLOT,
    TASK,
    WORKER,
    counts,
    has_ended,
    slots,
    trial_of,
)
from tastemaker.experiments.storages import STORAGE_ERRORS, Location, opened
from tastemaker.experiments.trials import Trial
from tastemaker.models.space import Choice, Float, Int, Range, Space
from tastemaker.training.interrupt import deferring_interrupt

STUDY_NAME = "tastemaker"
IDENTITY = "identity"

MAX_ATTEMPTS = 3
"""Trials whose worker is killed this often have failed: their settings may need too much memory."""

WARM_UP_EPOCHS = 3
"""Epochs before which no trial is pruned, since the first epochs predict the last ones badly."""

Report = Callable[[int, float, bool], None]
"""Receives an epoch, from 1, its value, and whether more epochs follow; if so, it ends the trial
when the median of the other trials was better."""

Run = Callable[[dict[str, Any], Report], tuple[float, int | None]]
"""Maps settings to their value and, for a model with epochs, the best epoch."""


@dataclass(frozen=True)
class BegunTrial:
    """A trial that this worker has begun."""

    trial: optuna.Trial
    slot: int
    """Position among the trials of the search, from 0; no other trial has it, except another
    attempt with the same settings after this one was given up."""


class Study:
    """The trials so far, and the choice of the next one.

    A trial that its worker did not finish is given up: it does not count, and a new trial with the
    same slot and settings waits in the storage for the next worker that begins one.
    """

    def __init__(self, study: optuna.Study, space: Space, *, shared: bool) -> None:
        """Takes the settings to choose from, and whether several workers use the study."""
        self._study, self._space, self._shared = study, space, shared
        self._watch = Watch()
        self._begun: BegunTrial | None = None

    def trials(self) -> list[Trial]:
        """Returns the trials that have ended, by number: the slot, counted from 1."""
        every = self._study.get_trials(deepcopy=False)
        slot = slots(every)
        ended = [trial_of(trial, slot[trial.number] + 1) for trial in every if has_ended(trial)]
        return sorted(ended, key=lambda trial: trial.number)

    def n_running(self) -> int:
        """Returns the number of trials that any worker is running."""
        return len(self._running())

    def begin(self, n_trials: int, task: str | None = None) -> BegunTrial | None:
        """Begins a trial, unless `n_trials` have ended or are running.

        A task of a cluster has one worker at a time. If `task` names one, the trial of an earlier
        worker of the task, which was killed, is given up at once.

        The storage gives each trial a number of its own. A worker that has just begun a trial gives
        it up if `n_trials` trials with lower numbers count already, so that workers that begin
        trials at the same time never exceed `n_trials`.
        """
        with deferring_interrupt():
            self._give_up_silent()
            if task is not None:
                of_task = [t for t in self._running() if t.user_attrs.get(TASK) == task]
                self._give_up(of_task, of_killed_worker=True)
            taken = [
                trial
                for trial in self._study.get_trials(deepcopy=False)
                if has_ended(trial) or trial.state == TrialState.RUNNING
            ]
            if len(taken) >= n_trials:
                return None
            trial = self._study.ask()
            every = self._study.get_trials(deepcopy=False)
            before = [other for other in every if other.number < trial.number]
            if sum(counts(other) for other in before) >= n_trials:
                # Other workers took the last places since this one looked.
                self._study.tell(trial, state=TrialState.FAIL)
                return None
            if task is not None:
                trial.set_user_attr(TASK, task)
            self._begun = BegunTrial(trial, slots(every)[trial.number])
            return self._begun

    def run_trial(
        self, begun: BegunTrial, choice_seed: int, model_seed: int, run: Run
    ) -> Exception | None:
        """Chooses the settings of a trial, runs it and records its result.

        Args:
            begun: the trial.
            choice_seed: the seed of the choice, which depends only on it and on the other trials.
            model_seed: the seed of the model, which is recorded.
            run: returns the value; larger is better.

        Returns:
            The error, if it failed with one.

        Raises:
            KeyboardInterrupt: Ctrl-C, but never while the storage is read or written; the trial
                is given up when the study is closed.
        """
        trial = begun.trial
        with deferring_interrupt():
            trial.set_user_attr(WORKER, f"{socket.gethostname()}:{os.getpid()}")
            trial.set_user_attr(SEED, model_seed)
            self._study.sampler = optuna.samplers.TPESampler(seed=choice_seed)
            settings = {name: _suggest(trial, name, span) for name, span in self._space.items()}

        def report(epoch: int, value: float, continues: bool) -> None:
            with deferring_interrupt():
                trial.report(value, epoch)
                if continues and trial.should_prune():
                    raise optuna.TrialPruned

        try:
            with beating(trial) if self._shared else nullcontext():
                value, best_epoch = run(settings, report)
        except optuna.TrialPruned:
            self._end(trial, TrialState.PRUNED)
        except UpdateFinishedTrialError:
            # This worker gave no sign of life for so long that another one has given the trial up.
            self._begun = None
        except STORAGE_ERRORS:
            raise
        except Exception as error:
            self._end(trial, TrialState.FAIL, attributes={ERROR: reason_of(error)})
            return error
        else:
            self._end(trial, None, value, {BEST_EPOCH: best_epoch})
        return None

    def _end(
        self,
        trial: optuna.Trial,
        state: TrialState | None,
        value: float | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """Records the state of a trial, or its value if that is None, unless it was given up."""
        with deferring_interrupt():
            try:
                for name, attribute in (attributes or {}).items():
                    trial.set_user_attr(name, attribute)
                self._study.tell(trial, value, state, skip_if_finished=True)
            except UpdateFinishedTrialError:
                pass
            self._begun = None

    def give_back(self) -> None:
        """Gives up the trial that this worker has begun, if it is not finished."""
        if self._begun is not None:
            number = self._begun.trial.number
            self._give_up([t for t in self._running() if t.number == number])

    def give_up_running(self) -> None:
        """Gives up all running trials; no other worker may use the study."""
        self._give_up(self._running())

    def _give_up_silent(self) -> None:
        """Gives up the trials of other workers that were killed."""
        if self._shared:
            silent = [trial for trial in self._running() if self._watch.is_silent(trial)]
            self._give_up(silent, of_killed_worker=True)

    def _give_up(self, trials: Sequence[FrozenTrial], *, of_killed_worker: bool = False) -> None:
        slot = slots(self._study.get_trials(deepcopy=False)) if trials else {}
        for trial in trials:
            n_attempts = trial.user_attrs.get(ATTEMPT, 1)
            is_last = of_killed_worker and n_attempts >= MAX_ATTEMPTS
            try:
                if is_last:
                    optuna.Trial(self._study, trial._trial_id).set_user_attr(
                        ERROR, f"its worker was killed, {n_attempts} times in a row"
                    )
                self._study.tell(trial.number, state=TrialState.FAIL)
            except (UpdateFinishedTrialError, ValueError):
                continue  # Its worker has ended it, or another worker has given it up.
            if not is_last and ERROR not in trial.user_attrs:
                is_complete = self._space.keys() <= trial.params.keys()
                self._study.enqueue_trial(
                    trial.params if is_complete else {},
                    {SLOT: slot[trial.number], ATTEMPT: n_attempts + of_killed_worker},
                )

    def _running(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=[TrialState.RUNNING])


@contextmanager
def open_study(location: Location, identity: dict[str, Any], space: Space) -> Iterator[Study]:
    """Opens the study in a storage, or creates it.

    Args:
        location: the storage.
        identity: everything, besides its settings, on which the value of a trial depends.
        space: the settings to choose from.

    Raises:
        ArtifactError: the study has another identity (the message names the first difference), or
            the storage cannot be used.
    """
    with opened(location) as storage:
        with deferring_interrupt():
            optuna_study = optuna.create_study(
                storage=storage,
                study_name=STUDY_NAME,
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(n_warmup_steps=WARM_UP_EPOCHS),
            )
            _refuse_other(optuna_study, identity, location)
            study = Study(optuna_study, space, shared=location.shared)
            if not location.shared:
                study.give_up_running()
        try:
            yield study
        finally:
            with deferring_interrupt():
                study.give_back()


def _refuse_other(study: optuna.Study, identity: dict[str, Any], location: Location) -> None:
    current = json.loads(json.dumps(identity, default=str))
    stored = study.user_attrs.get(IDENTITY)
    if stored is None:
        study.set_user_attr(IDENTITY, current)
        return
    for name, value in current.items():
        if stored.get(name) != value:
            raise ArtifactError(
                f"{location.name} was started with {name} {stored.get(name)}, but {name} is now "
                f"{value}; use the same settings and data, or {location.remedy}"
            )


def _suggest(trial: optuna.Trial, name: str, span: Range) -> Any:
    match span:
        case Float(low, high, log):
            return trial.suggest_float(name, low, high, log=log)
        case Int(low, high, log):
            return trial.suggest_int(name, low, high, log=log)
        case Choice(values):
            return trial.suggest_categorical(name, values)
