"""A search for good settings in a model's own space, on the validation part alone."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from tastemaker.config import dotted
from tastemaker.data.split import Split
from tastemaker.errors import ConfigError, UnsupportedError
from tastemaker.evaluation.evaluate import evaluate
from tastemaker.evaluation.protocols import FullRanking, RankingProtocol
from tastemaker.experiments.trials import Trial
from tastemaker.metrics.names import MAIN_METRIC
from tastemaker.models.recommender import Recommender
from tastemaker.models.registry import model_class, model_names
from tastemaker.models.space import Space
from tastemaker.progress import OnProgress, Progress
from tastemaker.representation import short_repr
from tastemaker.training.run import DeviceName, TrainingRun
from tastemaker.training.validation import name_of_metric

if find_spec("optuna") is None:
    raise UnsupportedError("tuning needs optuna; install it with: pip install 'tastemaker[tune]'")

from tastemaker.experiments.storages import Location, shared_storage, study_file
from tastemaker.experiments.study import BegunTrial, Report, Study, open_study

STUDY = "study.db"
"""File in the folder of a search to which every trial is written as soon as it ends."""

JOURNAL = "journal.log"
"""The same if workers on several machines run the trials."""

MAX_IDENTICAL_FAILURES = 3
"""If this many or more first trials all end with the same error, the search ends with it."""

POLL_S = 2.0
"""Seconds between two looks at the trials of other workers while this one waits for them."""


@dataclass(frozen=True)
class Search:
    """The settings to search for, and how they are evaluated."""

    model: str
    split: Split
    """The training and validation parts are used; the test part never is."""
    protocol: RankingProtocol = field(default_factory=FullRanking)
    metric: str = MAIN_METRIC
    fixed: dict[str, Any] = field(default_factory=dict)
    """Settings with fixed values, those of parts as in `gmf.epochs` or in a nested dictionary."""
    seed: int = 0
    """Seed of the sampler, and of the models unless `fixed` has another."""

    __repr__ = short_repr

    def __post_init__(self) -> None:
        object.__setattr__(self, "fixed", dotted(self.fixed))

    def configured(self, settings: dict[str, Any]) -> Recommender:
        """Returns the unfitted model with these settings and the fixed ones."""
        kind = model_class(self.model)
        seed_setting = {"seed": self.seed} if "seed" in kind.config_class.model_fields else {}
        return kind(**seed_setting | self.fixed | settings)

    def check(self) -> Space:
        """Returns the settings that remain to be searched for.

        Raises:
            UnsupportedError: there are none.
            SplitError: nothing is held out for validation.
            ConfigError: a fixed setting is unknown or out of its range.
        """
        space = space_of(self.model, self.fixed)
        if self.split.train.timestamps is None:
            space = _without_half_lives(space, self.split.train.name)
        self.configured({})
        self.split.targets("validation")
        return space

    @cached_property
    def shown_split(self) -> Split:
        """What the models of all trials are fitted on and evaluated with: no test part."""
        return without_test(self.split)

    @property
    def model_seed(self) -> int:
        """Seed of the model of every trial."""
        return int(self.fixed.get("seed", self.seed))

    def identity(self) -> dict[str, Any]:
        """Returns everything, besides its settings, on which the value of a trial depends."""
        targets = self.split.targets("validation")
        digest = hashlib.blake2b(np.stack([targets.users, targets.items]).tobytes(), digest_size=8)
        return {
            "model": self.model,
            "data": self.split.train.fingerprint,
            "split": self.split.method,
            "validation part": digest.hexdigest(),
            "metric": self.metric,
            "protocol": self.protocol.describe(self.split.train.rules),
            "fixed settings": dict(sorted(self.fixed.items())),
            "seed": self.seed,
        }


Workers = Callable[[Search, int, int, float], Iterator[Exception | None]]
"""Runs trials in other processes: receives the search, the number of trials to run, the total
number of trials, and the time (seconds since 1970) after which none begins. Yields the error of
each trial, if it has one, when it ends."""


def space_of(model: str, fixed: Mapping[str, Any] | None = None) -> Space:
    """Returns the tunable settings of a model, without the fixed ones, if there are any.

    Raises:
        UnsupportedError: there are none; names the models that have some, or what is fixed.
    """
    fixed = dotted(fixed or {})
    full_space = model_class(model).space_with(fixed)
    if not full_space:
        names = ", ".join(name for name in model_names() if model_class(name).space_with({}))
        raise UnsupportedError(f"{model} has no settings to tune; these models have some: {names}")
    space = {name: span for name, span in full_space.items() if name not in fixed}
    if not space:
        raise UnsupportedError(
            f"no settings are left to tune: {', '.join(full_space)} of {model} are fixed"
        )
    return space


def _without_half_lives(space: Space, data: str) -> Space:
    """Returns the settings, which may be those of parts, that data without times leave to tune.

    Raises:
        UnsupportedError: there are none.
    """
    left = {name: span for name, span in space.items() if not name.endswith("half_life_events")}
    if not left:
        raise UnsupportedError(
            f"no settings are left to tune: without times in {data}, {', '.join(space)} cannot be; "
            "name the time column with time=…, or fix fewer settings"
        )
    return left


def without_test(split: Split) -> Split:
    """Returns the training and validation part alone, so that the test part cannot leak."""
    return Split(
        split.train, validation=split.validation, histories=split.histories, method=split.method
    )


def search(
    spec: Search,
    folder: Path,
    n_trials: int,
    timeout_s: float | None = None,
    device: DeviceName = "auto",
    *,
    storage: str | Path | None = None,
    workers: Workers | None = None,
    on_begin: Callable[[list[Trial]], None] = lambda trials: None,
    on_trial: Callable[[Trial], None] = lambda trial: None,
    on_progress: OnProgress = lambda progress: None,
    on_wait: Callable[[int], None] = lambda n_running: None,
) -> list[Trial]:
    """Runs trials until there are `n_trials`, those in the folder or the storage included.

    Without a storage, one seed gives the same trials, whether or not the search was stopped in
    between. With one, the workers that share it run the trials together, and each returns when
    all of them have ended.

    Args:
        spec: the settings to search for, and how they are evaluated.
        folder: an existing folder, in which study.db is created or continued.
        n_trials: total number of trials, the earlier ones and those of other workers included.
        timeout_s: seconds after which no further trial begins, and others are not waited for.
        device: where to train.
        storage: instead of study.db, a storage that several workers share, as in `tune`.
        workers: runs the trials in other processes, which need a storage or a journal in the
            folder.
        on_begin: receives the earlier trials once.
        on_trial: receives each trial when it ends, or was found to have ended elsewhere.
        on_progress: as TrainingRun.on_progress.
        on_wait: receives the number of running trials while only those of other workers are left.

    Returns:
        All trials, by number.

    Raises:
        ConfigError: n_trials or timeout_s is not positive, or the storage is not valid.
        ArtifactError: the study is of another search (the message names the first difference), or
            cannot be read.
        KeyboardInterrupt: Ctrl-C; the current trial is given up, all others are kept.
        Exception: the error with which the first three trials all failed.
    """
    check_extent(n_trials, timeout_s)
    space = spec.check()
    location = location_of(folder, storage)
    ends_at = inf if timeout_s is None else time.time() + timeout_s
    with open_study(location, spec.identity(), space) as study:
        trials = study.trials()
        on_begin(trials)
        if workers is None:
            errors = _own_trials(spec, study, n_trials, ends_at, device, on_progress, on_wait)
        else:
            errors = workers(spec, n_trials - len(trials), n_trials, ends_at)
        for error in errors:
            earlier, trials = trials, study.trials()
            for trial in _added(trials, earlier):
                on_trial(trial)
            if error is not None and _all_failed_alike(trials):
                raise error
    return trials


def _own_trials(
    spec: Search,
    study: Study,
    n_trials: int,
    ends_at: float,
    device: DeviceName,
    on_progress: OnProgress,
    on_wait: Callable[[int], None],
) -> Iterator[Exception | None]:
    """Runs trials until there are `n_trials`; yields the error of each, if it has one.

    Yields None as well after each time that it has waited for other workers.
    """
    while len(study.trials()) < n_trials and time.time() < ends_at:
        begun = study.begin(n_trials)
        if begun is None:
            on_wait(study.n_running())
            time.sleep(POLL_S)
            yield None
        else:
            yield run_trial(spec, study, begun, device, on_progress)


def location_of(folder: Path, storage: str | Path | None) -> Location:
    """Returns where the trials of a search are stored: the storage, or a file in the folder.

    Raises:
        ConfigError: the storage is not valid.
    """
    if storage is not None:
        return shared_storage(storage)
    journal = folder / JOURNAL
    return shared_storage(journal) if journal.exists() else study_file(folder / STUDY)


def run_trial(
    spec: Search, study: Study, begun: BegunTrial, device: DeviceName, on_progress: OnProgress
) -> Exception | None:
    """Runs a trial that was begun in the study of a search, and records its result there.

    Args:
        spec: the search, of whose split the test part is not used.
        study: the study of the search.
        begun: the trial.
        device: where to train.
        on_progress: as TrainingRun.on_progress.

    Returns:
        The error, if the trial failed with one.

    Raises:
        KeyboardInterrupt: Ctrl-C; the trial is given up when the study is closed.
    """

    def run(settings: dict[str, Any], report: Report) -> tuple[float, int | None]:
        return _value(spec, settings, device, on_progress, report)

    return study.run_trial(begun, _seed(spec.seed, begun.slot), spec.model_seed, run)


def check_extent(n_trials: int, timeout_s: float | None) -> None:
    """Raises ConfigError if no trial would be run."""
    if n_trials < 1:
        raise ConfigError(f"n_trials={n_trials}: at least 1 trial is needed")
    if timeout_s is not None and not timeout_s > 0:
        raise ConfigError(f"timeout_s={timeout_s:g}: the time limit must be above 0 seconds")


def _value(
    spec: Search,
    settings: dict[str, Any],
    device: DeviceName,
    on_progress: OnProgress,
    report: Report,
) -> tuple[float, int | None]:
    """Returns the metric of a model with these settings, and its best epoch if it has epochs."""

    def forward_progress(progress: Progress) -> None:
        on_progress(progress)
        # The metrics of a part say nothing of the model whose trial it is.
        metrics = {} if progress.part else progress.metrics or {}
        names = list(metrics)
        name = name_of_metric(spec.metric, names) or name_of_metric(MAIN_METRIC, names)
        value = None if name is None else metrics[name]
        if value is not None:
            report(progress.epoch, value, progress.epoch < progress.epochs)

    split = spec.shown_split
    model = spec.configured(settings).fit(split, TrainingRun(device, on_progress=forward_progress))
    if model.log.interrupted:
        raise KeyboardInterrupt
    k = int(spec.metric.partition("@")[2])
    result = evaluate(
        model, split, spec.protocol, k=k, part="validation", baseline=False, on_progress=on_progress
    )
    return result.metrics[spec.metric], model.log.best_epoch or None


def _added(trials: Iterable[Trial], earlier: Iterable[Trial]) -> list[Trial]:
    numbers = {trial.number for trial in earlier}
    return [trial for trial in trials if trial.number not in numbers]


def _all_failed_alike(trials: Sequence[Trial]) -> bool:
    return len(trials) >= MAX_IDENTICAL_FAILURES and len({(t.state, t.error) for t in trials}) == 1


def _seed(seed: int, slot: int) -> int:
    """Returns the seed for the choice of one trial, whether or not the search was resumed."""
    return int(np.random.SeedSequence([seed, slot]).generate_state(1)[0])
