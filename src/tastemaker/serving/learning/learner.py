"""The learner: trains a model on new events, and deploys it only if it is better."""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import Timeout

from tastemaker.bundle.bundle import Bundle, open_run, save_run
from tastemaker.bundle.store import Store
from tastemaker.config import Config
from tastemaker.data.fresh import newest_held_out
from tastemaker.errors import ConfigError
from tastemaker.evaluation.earlier_model import evaluate_earlier
from tastemaker.evaluation.evaluate import evaluate
from tastemaker.evaluation.protocols import FullRanking
from tastemaker.evaluation.results import INTERVAL_SEED, Evaluation
from tastemaker.metrics.names import MAIN_METRIC
from tastemaker.metrics.statistics import bootstrap_intervals
from tastemaker.models.recommender import Recommender
from tastemaker.progress import OnProgress
from tastemaker.serving.learning.event_data import with_events
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.deployments import DEFAULT_SERVICE, DeploymentLog
from tastemaker.serving.store.events import EventStore
from tastemaker.training.run import TrainingRun

HELD_OUT = 0.2
"""Fraction of the fresh events, the newest of them, that both models are evaluated on."""

MAX_HELD_OUT = 5_000

MIN_USERS = 20
"""Smallest number of users with held-out events: the interval of fewer would be meaningless."""

LOG = "learning.jsonl"

Outcome = Literal["too few events", "not better", "deployed"]


@dataclass(frozen=True)
class LearningRun:
    """The result of one call of `Learner.learn`."""

    outcome: Outcome
    at: int
    """Seconds since 1970 UTC."""
    events_until: int
    """Number of the last event in the database at that time."""
    fresh: int
    """Number of events since the previous run."""
    evaluable: int | None = None
    """Number of users whose held-out events can be predicted, if they are too few."""
    figures: dict[str, Any] | None = None
    """Metrics of the new and the previous model on the same held-out events."""
    version: str | None = None
    """Version of the new model, if it was deployed."""


class Learner:
    """Trains for one run folder, one training at a time on a machine."""

    def __init__(self, run: Path, database: Database, service: str = DEFAULT_SERVICE) -> None:
        self.store, self._run, self._database = Store(run), run, database
        self._events = EventStore(database)
        self._deployments = DeploymentLog(database, service)

    def past_runs(self) -> list[LearningRun]:
        """Reads all earlier results that led to an evaluation, oldest first."""
        path = self.store.folder / LOG
        if not path.exists():
            return []
        runs = []
        for line in path.read_bytes().splitlines():
            # The machine may have failed while a line was written.
            with suppress(ValueError, TypeError):
                runs.append(LearningRun(**json.loads(line)))
        return runs

    def fresh(self) -> tuple[int, int]:
        """The number of the last event, and the number of events since the previous run.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        newest = self._events.newest()
        # A higher number is of another database, which this service used before.
        past = [run.events_until for run in self.past_runs() if run.events_until <= newest]
        seen = max(past, default=0)
        return newest, self._events.n_since(seen)

    def learn(self, least: int = 1, on_progress: OnProgress | None = None) -> LearningRun:
        """Trains on the data of the run and the events, and deploys the model if it is better.

        It is better if the 95% interval of the mean difference in NDCG@10, user by user on the
        held-out events, to the model that serves is above zero.

        Args:
            least: smallest number of fresh events; with fewer nothing is trained.
            on_progress: receives the progress of training and evaluation.

        Raises:
            ConfigError: another process is training for this run.
            DataError: no interactions are left after retractions.
            DatabaseUnavailableError: the database does not answer; nothing has changed.
            UnsupportedError: the run has an approximate index, but Faiss is not installed.
            KeyboardInterrupt: Ctrl-C; nothing has changed.
        """
        self.store.folder.mkdir(parents=True, exist_ok=True)
        try:
            with self.store.training_lock():
                return self._learn(least, on_progress)
        except Timeout:
            raise ConfigError(
                f"{self._run}: another process is already training on the events"
            ) from None

    def _learn(self, least: int, on_progress: OnProgress | None) -> LearningRun:
        current = self._current()
        newest, fresh = self.fresh()
        now = int(time.time())
        if fresh < least:
            return LearningRun("too few events", now, newest, fresh)
        data = with_events(current.split.everything, self._database)
        split = newest_held_out(data, current.split.everything, HELD_OUT, MAX_HELD_OUT)
        n_users = 0 if split.test is None else len(np.unique(split.test.users))
        if n_users < MIN_USERS:
            return LearningRun("too few events", now, newest, fresh, n_users)
        model = _unfitted(current)
        run = TrainingRun(current.model.device.type, on_progress=on_progress)  # type: ignore[arg-type]
        model.fit(split, run, start_from=current.model)
        if model.log.interrupted:
            raise KeyboardInterrupt
        evaluation = evaluate(model, split, FullRanking(), on_progress=on_progress)
        previous = evaluate_earlier(current.model, split)
        difference = paired_difference(evaluation, previous)
        figures = _figures(evaluation, previous) | {"difference": difference}
        if not difference["interval"][0] > 0:
            return self._logged(LearningRun("not better", now, newest, fresh, figures=figures))
        folder = self.store.next_folder()
        save_run(folder, model, evaluation)
        bundle = open_run(folder)
        if current.has_index:
            bundle.make_index(on_progress)  # a service with approximate=True cannot do without
        self._deployments.record(bundle, "learned", figures)
        self._prune()
        return self._logged(
            LearningRun("deployed", now, newest, fresh, figures=figures, version=bundle.version)
        )

    def _current(self) -> Bundle:
        """The model that serves.

        Raises:
            ConfigError: the service belongs to another run.
        """
        bundle, latest = open_run(self._run), self._deployments.latest()
        self._deployments.refuse_other_run(bundle)
        is_current = latest is None or latest.version == bundle.version
        return bundle if is_current or latest is None else open_run(latest.run)

    def _prune(self) -> None:
        self.store.prune({Path(record.run) for record in self._deployments.newest(3)})

    def _logged(self, run: LearningRun) -> LearningRun:
        path = self.store.folder / LOG
        is_cut = path.exists() and not path.read_bytes().endswith(b"\n")
        with path.open("a") as log:
            log.write(("\n" if is_cut else "") + json.dumps(asdict(run)) + "\n")
        return run


def _unfitted(current: Bundle) -> Recommender:
    """An unfitted model with the same settings and the best number of epochs of its training."""
    return type(current.model)(
        _without_early_stopping(current.model.config, current.training or {})
    )


def _without_early_stopping(config: Config, training: dict[str, Any]) -> Config:
    """Returns the config with the best number of epochs and no early stopping, parts included."""
    best, fields = training.get("best_epoch"), type(config).model_fields
    update: dict[str, Any] = {"epochs": best} if best and "epochs" in fields else {}
    if "patience" in fields:
        update["patience"] = None
    for name, part in training.get("parts", {}).items():
        update[name] = _without_early_stopping(getattr(config, name), part)
    return config.model_copy(update=update)


def paired_difference(new: Evaluation, previous: Evaluation) -> dict[str, Any]:
    """The mean difference of the new model to the previous one over users, and its 95% interval."""
    differences = new.per_user[MAIN_METRIC] - previous.per_user[MAIN_METRIC]
    low, high = bootstrap_intervals(differences[None], seed=INTERVAL_SEED)
    return {
        "metric": MAIN_METRIC,
        "mean": float(differences.mean()),
        "interval": [float(low[0]), float(high[0])],
    }


def _figures(new: Evaluation, previous: Evaluation) -> dict[str, Any]:
    return {
        "split": new.split,
        "protocol": new.protocol,
        "n_users": new.n_users,
        "metrics": dict(new.metrics),
        "intervals": {name: list(ends) for name, ends in new.intervals.items()},
        "before": dict(previous.metrics),
        "baseline": {name: dict(baseline.metrics) for name, baseline in new.baselines.items()},
    }
