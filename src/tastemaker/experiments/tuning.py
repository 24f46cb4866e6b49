"""Tuning: a search for settings that is written to a folder and can be continued."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tastemaker.data.split import Split
from tastemaker.errors import ArtifactError, ConfigError, did_you_mean
from tastemaker.evaluation.protocols import FullRanking, RankingProtocol
from tastemaker.experiments.search import (
    JOURNAL,
    STUDY,
    Search,
    Workers,
    check_extent,
    location_of,
    search,
    space_of,
)
from tastemaker.experiments.search_files import BEST, TRIALS, write_best, write_trials
from tastemaker.experiments.trials import Trial, best_first
from tastemaker.folders import claim, exclusive_lock, refuse_other_kind
from tastemaker.metrics.accuracy import ACCURACY
from tastemaker.metrics.names import MAIN_METRIC
from tastemaker.notebook import shown_progress
from tastemaker.progress import Progress
from tastemaker.representation import short_repr
from tastemaker.training.run import DeviceName, resolve_device

SEARCH = "search"
"""The kind of folder that a search is written to."""


@dataclass(frozen=True)
class TuningListener:
    """Functions that `tune` calls while it runs; by default they do nothing."""

    on_begin: Callable[[list[Trial]], None] = lambda trials: None
    """Receives the trials that are in the folder or the storage already."""
    on_trial: Callable[[Trial], None] = lambda trial: None
    """Receives each trial when it ends, or was found to have ended in another worker."""
    on_progress: Callable[[Progress], None] = lambda progress: None
    """Receives the progress of each training and evaluation."""
    on_wait: Callable[[int], None] = lambda n_running: None
    """Receives the number of running trials, every few seconds while this worker has none and
    waits for those of others."""


@dataclass(frozen=True, eq=False)
class TuningResult:
    """The result of a search for settings."""

    model: str
    metric: str
    """The metric on the validation part that was maximised, as `ndcg@10`."""
    trials: tuple[Trial, ...]
    """All trials in their order, those of earlier calls included."""
    interrupted: bool
    """Whether Ctrl-C ended the search early."""
    folder: Path

    __repr__ = short_repr

    @property
    def best(self) -> list[Trial]:
        """The complete trials, best first."""
        return best_first(self.trials)

    @property
    def config_file(self) -> Path:
        """The TOML file with the settings of the best trial."""
        return self.folder / BEST

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "out": str(self.folder),
            "model": self.model,
            "metric": self.metric,
            "best": asdict(self.best[0]),
            "config": str(self.config_file),
            "interrupted": self.interrupted,
            "trials": [asdict(trial) for trial in self.trials],
        }


def tune(
    model: str,
    split: Split,
    folder: str | Path,
    *,
    n_trials: int = 20,
    timeout_s: float | None = None,
    settings: dict[str, Any] | None = None,
    protocol: RankingProtocol | None = None,
    metric: str = MAIN_METRIC,
    seed: int | None = None,
    device: DeviceName = "auto",
    storage: str | Path | None = None,
    workers: Workers | None = None,
    restart: bool = False,
    strict: bool = False,
    listener: TuningListener | None = None,
) -> TuningResult:
    """Searches for good settings of a model on the validation part; the test part is never used.

    The folder then holds `best.toml`, the settings of the best trial, `trials.csv`, and the study,
    from which the same call continues after a kill or Ctrl-C.

    With a storage, any number of processes on any number of machines make the same call with the
    same data, and run the trials together. Each returns when all trials have ended, and writes the
    same files to its folder, which may be the same for all. If a worker is killed, another one
    repeats its trial with the same settings.

    Args:
        model: name of the model.
        split: with a validation part.
        folder: folder to make, or the folder of an earlier search with the same arguments.
        n_trials: number of trials in total, those of earlier calls and other workers included.
        timeout_s: seconds after which no further trial begins, nor are those of other workers
            waited for; None for no limit.
        settings: settings that are fixed instead of searched for.
        protocol: how the validation items are ranked; full ranking by default.
        metric: what is maximised.
        seed: seed of the sampler and of the models, which overrules a seed in `settings`; 0 by
            default.
        device: where to train.
        storage: where the trials are stored instead of in the folder: the URL of a database, such
            as postgresql://user@host/database, or the path of a journal file on a disk that all
            machines share. An SQLite file (sqlite:///trials.db) serves the processes of one
            machine. A storage holds one search.
        workers: runs the trials on other machines, for which they are stored in a journal in the
            folder, unless there is a storage; see `cluster.ray_trials.run_trials`.
        restart: whether to discard the trials in the folder.
        strict: as for `Recommender.fit`, before the first trial.
        listener: functions that are called while the search runs; by default a notebook shows a
            bar.

    Raises:
        ConfigError: an argument is out of its range, or no trial was completed; or see `strict`.
        UnsupportedError: the model has no settings left to search for.
        SplitError: the split has no validation part.
        ArtifactError: the folder holds something else, or a search with other arguments, or the
            storage cannot be used.
        KeyboardInterrupt: Ctrl-C came before any trial was completed.
    """
    folder, fixed = Path(folder), dict(settings or {})
    refuse_early(model, folder, fixed, n_trials, timeout_s, metric, device, storage, restart)
    if seed is not None:
        fixed.pop("seed", None)
    spec = Search(model, split, protocol or FullRanking(), metric, fixed, seed or 0)
    spec.check()
    if strict:
        spec.configured({}).notes_on(split.train, strict=True)
    with exclusive_lock(folder) if storage is None else nullcontext():
        if storage is None:
            claim(folder, SEARCH, {})
            for name in (STUDY, JOURNAL, BEST, TRIALS) if restart else ():
                (folder / name).unlink(missing_ok=True)
            if workers is not None:
                _make_journal(folder)
        with _listening(listener, model, lambda: interrupted) as heard:
            trials, interrupted = _run_search(
                spec, folder, n_trials, timeout_s, device, storage, workers, heard
            )
        if trials and storage is not None:
            # Not earlier, so that no folder is left if the storage cannot be used.
            claim(folder, SEARCH, {})
        result = TuningResult(model, metric, tuple(trials), interrupted, folder)
        if trials:
            write_trials(folder / TRIALS, trials)
        if not result.best:
            if interrupted:
                raise KeyboardInterrupt("no trial was completed")
            reason = next((f": {trial.error}" for trial in trials if trial.error), "")
            raise ConfigError(f"none of the {len(trials)} trials was completed{reason}")
        write_best(result.config_file, spec, result.best[0], len(trials))
    return result


@contextmanager
def _listening(
    listener: TuningListener | None, model: str, was_stopped: Callable[[], bool]
) -> Iterator[TuningListener]:
    """Yields the given listener or, if there is none, one that shows a bar in a notebook.

    `was_stopped` is as for `shown_progress`.
    """
    if listener is not None:
        yield listener
        return
    with shown_progress(None, f"tune {model}", was_stopped) as on_progress:
        if on_progress is None:
            yield TuningListener()
            return
        # The metrics of one trial would be mistaken for the result of the search.
        yield TuningListener(on_progress=lambda one: on_progress(replace(one, metrics=None)))


def refuse_early(
    model: str,
    folder: Path,
    settings: dict[str, Any],
    n_trials: int,
    timeout_s: float | None,
    metric: str,
    device: DeviceName,
    storage: str | Path | None,
    restart: bool,
) -> None:
    """Raises the errors of `tune` for these arguments, before any data are read."""
    refuse_other_kind(folder, SEARCH)
    check_extent(n_trials, timeout_s)
    name, _, cutoff = metric.partition("@")
    if name not in ACCURACY or not cutoff.isdecimal() or int(cutoff) < 1:
        suggestion = "" if name in ACCURACY else f"; {did_you_mean(name, ACCURACY)}"
        raise ConfigError(
            f'metric="{metric}" is not a metric with a list length, as in ndcg@10{suggestion}'
        )
    if restart and storage is not None:
        raise ConfigError(
            "restart=True discards the trials in the folder, but those in storage=… may be of "
            "other workers; choose another storage"
        )
    location_of(folder, storage)
    space_of(model, settings)
    resolve_device(device)


def _make_journal(folder: Path) -> None:
    """Makes an empty journal in the folder of a search, unless it has one.

    Raises:
        ArtifactError: the folder has trials that were not stored in a journal.
    """
    if (folder / STUDY).exists():
        raise ArtifactError(
            f"{folder / STUDY} cannot be used from several machines; choose another path=…, or "
            "start again with restart=True"
        )
    (folder / JOURNAL).touch()


def _run_search(
    spec: Search,
    folder: Path,
    n_trials: int,
    timeout_s: float | None,
    device: DeviceName,
    storage: str | Path | None,
    workers: Workers | None,
    listener: TuningListener,
) -> tuple[list[Trial], bool]:
    """Returns the trials by number, and whether Ctrl-C ended the search."""
    done: list[Trial] = []

    def on_begin(trials: list[Trial]) -> None:
        done.extend(trials)
        listener.on_begin(trials)

    def on_trial(trial: Trial) -> None:
        done.append(trial)
        listener.on_trial(trial)

    try:
        return search(
            spec, folder, n_trials, timeout_s, device, storage=storage, workers=workers,
            on_begin=on_begin, on_trial=on_trial, on_progress=listener.on_progress,
            on_wait=listener.on_wait,
        ), False  # fmt: skip
    except KeyboardInterrupt:
        return sorted(done, key=lambda trial: trial.number), True
