"""Keeps the trials of a search in a database, so that a killed search can be continued.

Akiba, Sano, Yanase, Ohta and Koyama, 2019: Optuna (KDD); the sampler is the tree-structured Parzen
estimator of Bergstra, Bardenet, Bengio and Kégl, 2011 (NeurIPS).
"""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tastemaker.errors import ArtifactError, UnsupportedError
from tastemaker.experiments.trials import State, Trial
from tastemaker.models.space import Choice, Float, Int, Range, Space
from tastemaker.training.interrupt import deferring_interrupt

try:
    import optuna
    from optuna.trial import FrozenTrial, TrialState
    from sqlalchemy.engine import URL
    from sqlalchemy.exc import DatabaseError
except ImportError as error:
    raise UnsupportedError(
        f"tuning needs {error.name}; install it with: pip install 'tastemaker[tune]'"
    ) from None

STUDY_NAME = "tastemaker"
IDENTITY, ERROR, BEST_EPOCH = "identity", "error", "best_epoch"

WARM_UP_EPOCHS = 3
"""Epochs before which no trial is pruned, since the first epochs predict the last ones badly."""

Report = Callable[[int, float, bool], None]
"""Receives an epoch, from 1, its value, and whether more epochs follow; if so, it ends the trial
when the median of the other trials was better."""

Run = Callable[[dict[str, Any], Report], tuple[float, int | None]]
"""Maps settings to their value and, for a model with epochs, the best epoch."""

STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class Study:
    """The trials so far, and the choice of the next one."""

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def trials(self) -> list[Trial]:
        """Returns the trials that were not interrupted, numbered from 1 without gaps."""
        ended = [
            trial
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or ERROR in trial.user_attrs
        ]
        return [_trial(trial, number) for number, trial in enumerate(ended, 1)]

    def run_trial(self, space: Space, seed: int, run: Run) -> Exception | None:
        """Runs a trial with the next settings and records its result.

        Args:
            space: the settings to choose from.
            seed: the seed of the choice, which depends only on it and on the earlier trials.
            run: returns the value; larger is better.

        Returns:
            The error, if it failed with one.

        Raises:
            KeyboardInterrupt: Ctrl-C, but never while the database is read or written; the trial
                is left unfinished.
        """
        with deferring_interrupt():
            self._study.sampler = optuna.samplers.TPESampler(seed=seed)
            trial = self._study.ask()
            settings = {name: _suggest(trial, name, span) for name, span in space.items()}

        def report(epoch: int, value: float, continues: bool) -> None:
            with deferring_interrupt():
                trial.report(value, epoch)
                if continues and trial.should_prune():
                    raise optuna.TrialPruned

        try:
            value, best_epoch = run(settings, report)
        except optuna.TrialPruned:
            with deferring_interrupt():
                self._study.tell(trial, state=TrialState.PRUNED)
        except Exception as error:
            with deferring_interrupt():
                trial.set_user_attr(ERROR, " ".join(str(error).split()) or type(error).__name__)
                self._study.tell(trial, state=TrialState.FAIL)
            return error
        else:
            with deferring_interrupt():
                trial.set_user_attr(BEST_EPOCH, best_epoch)
                self._study.tell(trial, value)
        return None

    def drop_unfinished(self) -> None:
        """Marks interrupted trials as failed, so that their settings are tried again."""
        for trial in self._study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            self._study.tell(trial.number, state=TrialState.FAIL)


@contextmanager
def open_study(path: Path, identity: dict[str, Any]) -> Iterator[Study]:
    """Opens the study at the path, or creates it.

    Args:
        path: an SQLite file.
        identity: everything, besides its settings, on which the value of a trial depends.

    Raises:
        ArtifactError: the study has another identity (the message names the first difference), or
            the file is not a study.
    """
    url = URL.create("sqlite", database=str(path.absolute()))
    with _quiet_optuna():
        try:
            with deferring_interrupt():
                storage = optuna.storages.RDBStorage(url.render_as_string(hide_password=False))
        except DatabaseError:
            raise ArtifactError(f"{path} is damaged; start again with restart=True") from None
        try:
            with deferring_interrupt():
                study = optuna.create_study(
                    storage=storage,
                    study_name=STUDY_NAME,
                    direction="maximize",
                    load_if_exists=True,
                    pruner=optuna.pruners.MedianPruner(n_warmup_steps=WARM_UP_EPOCHS),
                )
                _refuse_other(study, identity, path)
                opened = Study(study)
                opened.drop_unfinished()
            yield opened
        finally:
            storage.remove_session()
            storage.engine.dispose()


def _refuse_other(study: optuna.Study, identity: dict[str, Any], path: Path) -> None:
    current = json.loads(json.dumps(identity, default=str))
    stored = study.user_attrs.get(IDENTITY)
    if stored is None:
        study.set_user_attr(IDENTITY, current)
        return
    for name, value in current.items():
        if stored.get(name) != value:
            raise ArtifactError(
                f"{path} was started with {name} {stored.get(name)}, but {name} is now {value}; "
                "use the same settings and data, choose another path=…, or start again with "
                "restart=True"
            )


def _suggest(trial: optuna.Trial, name: str, span: Range) -> Any:
    match span:
        case Float(low, high, log):
            return trial.suggest_float(name, low, high, log=log)
        case Int(low, high, log):
            return trial.suggest_int(name, low, high, log=log)
        case Choice(values):
            return trial.suggest_categorical(name, values)


def _trial(trial: FrozenTrial, number: int) -> Trial:
    last = trial.last_step
    value = trial.value
    if trial.state == TrialState.PRUNED and last is not None:
        value = trial.intermediate_values[last]
    return Trial(
        number,
        STATES[trial.state],
        value,
        dict(trial.params),
        0.0 if trial.duration is None else trial.duration.total_seconds(),
        last,
        trial.user_attrs.get(BEST_EPOCH),
        trial.user_attrs.get(ERROR),
    )


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Suppresses Optuna's log of trials and its warnings about experimental features."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="optuna")
            yield
    finally:
        optuna.logging.set_verbosity(level)
