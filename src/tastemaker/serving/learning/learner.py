"""The learner: trains on fresh events, and lets the result serve only where it is better."""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from filelock import FileLock, Timeout

from tastemaker.bundle.bundle import Bundle, open_run, save_run
from tastemaker.bundle.store import Store
from tastemaker.data.dataset import Dataset
from tastemaker.data.folding import pair_keys
from tastemaker.data.split import Split, Targets
from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.errors import ConfigError
from tastemaker.evaluation.evaluate import evaluate, from_ranks
from tastemaker.evaluation.protocols import FullRanking
from tastemaker.evaluation.results import INTERVAL_SEED, Evaluation
from tastemaker.metrics.statistics import bootstrap_intervals
from tastemaker.models.recommender import Recommender
from tastemaker.progress import OnProgress
from tastemaker.serving.learning.event_data import refuse_weights, with_events
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.deployments import DEFAULT_SERVICE, DeploymentLog
from tastemaker.serving.store.events import EventStore
from tastemaker.serving.store.items import ItemStore
from tastemaker.training.run import TrainingRun

HELD_OUT = 0.2
"""Fraction of the fresh events, the newest, that old and new model are asked for."""

MOST_HELD_OUT = 5_000

FEWEST_ASKED = 20
"""Users with held-out events: of fewer, an interval says nothing."""

CRITERION = "ndcg@10"

LOG = "learning.jsonl"

Outcome = Literal["too few events", "not better", "deployed"]


@dataclass(frozen=True)
class LearningRun:
    """What came of one look at the events."""

    outcome: Outcome
    at: int
    """Seconds since 1970 UTC."""
    events_until: int
    """The number of the last event that it saw."""
    fresh: int
    """Events since the lesson before."""
    figures: dict[str, Any] | None = None
    """Metrics of the new model and of the one before it, on the same newest events."""
    version: str | None = None
    """Version of the new model, if it was deployed."""


class Learner:
    """Learns for one run; one at a time on a machine, whoever asks."""

    def __init__(self, run: Path, database: Database, service: str = DEFAULT_SERVICE) -> None:
        self.store, self._run, self._database = Store(run), run, database
        self._events, self._items = EventStore(database), ItemStore(database)
        self._deployments = DeploymentLog(database, service)

    def lessons(self) -> list[LearningRun]:
        """All lessons so far, the oldest first."""
        path = self.store.folder / LOG
        if not path.exists():
            return []
        found = []
        for line in path.read_bytes().splitlines():
            # The machine may have gone down in the middle of a line, or of a letter.
            with suppress(ValueError, TypeError):
                found.append(LearningRun(**json.loads(line)))
        return found

    def fresh(self) -> tuple[int, int]:
        """The number of the last event, and how many there are since the lesson before.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        seen = max((lesson.events_until for lesson in self.lessons()), default=0)
        newest = self._events.newest()
        return newest, self._events.n_since(seen)

    def learn(self, least: int = 1, on_progress: OnProgress | None = None) -> LearningRun:
        """Trains on what the run and the events hold, judges, and deploys what is better.

        Better is a model whose NDCG@10 on the held-out events is higher than that of the model
        that serves, user by user, so that the 95% interval of the mean difference is above zero.

        Args:
            least: fresh events that are worth it.
            on_progress: receives how far training and evaluation are.

        Raises:
            ConfigError: somebody else is learning for this run right now.
            DataError: the events leave nothing to learn from, or the run was trained with weights.
            DatabaseAwayError: the database does not answer; nothing has changed.
        """
        self.store.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.store.folder / "learning.lock", timeout=0):
                return self._learn(least, on_progress)
        except Timeout:
            raise ConfigError(f"{self._run}: another process is learning right now") from None

    def _learn(self, least: int, on_progress: OnProgress | None) -> LearningRun:
        current = self._current()
        newest, fresh = self.fresh()
        now = int(time.time())
        if fresh < least:
            return LearningRun("too few events", now, newest, fresh)
        refuse_weights(current.split.train)
        data = with_events(current.split.everything, self._events, self._items)
        split = newest_held_out(data, current.split.everything)
        if split.test is None or len(np.unique(split.test.users)) < FEWEST_ASKED:
            return LearningRun("too few events", now, newest, fresh)
        model = _unfitted(current)
        run = TrainingRun(current.model.device.type, on_progress=on_progress)  # type: ignore[arg-type]
        model.fit(split, run, start_from=current.model)
        evaluation = evaluate(model, split, FullRanking(), on_progress=on_progress)
        before = judged(current.model, split)
        difference = paired_difference(evaluation, before)
        figures = _figures(evaluation, before) | {"difference": difference}
        if not difference["interval"][0] > 0:
            return self._noted(LearningRun("not better", now, newest, fresh, figures))
        place = self.store.next_place()
        save_run(place, model, evaluation)
        bundle = open_run(place)
        self._deployments.record(bundle, "learned", figures)
        self._prune()
        return self._noted(LearningRun("deployed", now, newest, fresh, figures, bundle.version))

    def _current(self) -> Bundle:
        """The model that serves.

        Raises:
            ConfigError: the service belongs to another run.
        """
        bundle, latest = open_run(self._run), self._deployments.latest()
        self._deployments.refuse_another(bundle)
        same = latest is None or latest.version == bundle.version
        return bundle if same or latest is None else open_run(latest.run)

    def _prune(self) -> None:
        self.store.prune({Path(record.run) for record in self._deployments.newest(3)})

    def _noted(self, lesson: LearningRun) -> LearningRun:
        path = self.store.folder / LOG
        is_cut = path.exists() and not path.read_bytes().endswith(b"\n")
        with path.open("a") as log:
            log.write("\n" * is_cut + json.dumps(asdict(lesson)) + "\n")
        return lesson


def newest_held_out(data: Dataset, before: Dataset) -> Split:
    """A split whose test is the newest of what is fresh: what happened after all the rest of it.

    A pair is as new as its first event, and is held out with all of its events.

    Args:
        data: the earlier data and the events since.
        before: the earlier data.
    """
    fresh = _is_fresh(data, before) & data.first_rows()
    assert data.timestamps is not None, "events have times"
    n_held = min(max(1, int(HELD_OUT * fresh.sum())), MOST_HELD_OUT)
    rows = np.flatnonzero(fresh)
    newest = rows[np.argsort(data.timestamps[rows], kind="stable")[-n_held:]]
    held = np.zeros(len(data), dtype=bool)
    held[newest] = True
    pairs = pair_keys(data.users, data.items, data.n_items)
    train = data.rows(~np.isin(pairs, pairs[held])).folded()
    # No model could be asked for an item that nobody has touched before.
    askable = held & (train.item_counts[data.items] > 0)
    targets = Targets(
        data.users[askable].astype(np.int64),
        data.items[askable].astype(np.int64),
        data.timestamps[askable],
    )
    not_evaluated = held & ~askable
    others = Targets(
        data.users[not_evaluated].astype(np.int64),
        data.items[not_evaluated].astype(np.int64),
        data.timestamps[not_evaluated],
    )
    return Split(
        train,
        targets if len(targets) else None,
        not_evaluated=others if len(others) else None,
        method=f"the newest {n_held:,} of {int(fresh.sum()):,} fresh events held out",
    )


def judged(model: Recommender, split: Split) -> Evaluation:
    """An earlier model, asked as the new one is: with all that its users have touched since."""
    protocol = FullRanking()
    ranks = protocol.ranks(_Earlier(model, split), split, "test")
    return from_ranks(model.name, split, "test", protocol.describe(), ranks, [10])


class _Earlier(Recommender):
    """An earlier model in the codes of later data; of what it does not know it says nothing."""

    def __init__(self, model: Recommender, split: Split) -> None:
        self.config, self.name = model.config, model.name  # type: ignore[misc]
        self._model, self._split = model, split
        train, before = split.train, model.dataset
        self._user = _codes(before.user_vocabulary.ids, train.user_vocabulary, train.n_users)
        self._item = _codes(before.item_vocabulary.ids, train.item_vocabulary, train.n_items)

    def score(self, users: UserBatch) -> torch.Tensor:
        """Implements `Recommender.score`; -inf for an item that the earlier model does not know."""
        items = self._item[users.items]
        known = items != UNKNOWN
        lengths = np.bincount(users.rows[known], minlength=len(users))
        earlier = UserBatch(
            np.where(users.codes == UNKNOWN, UNKNOWN, self._user[users.codes.clip(min=0)]),
            items[known],
            np.concatenate([[0], np.cumsum(lengths)]),
            None if users.timestamps is None else users.timestamps[known],
        )
        scores = self._model.score(earlier).cpu()
        all_scores = torch.full((len(users), len(self._item)), -torch.inf)
        there = np.flatnonzero(self._item != UNKNOWN)
        all_scores[:, torch.from_numpy(there)] = scores[:, torch.from_numpy(self._item[there])]
        return all_scores

    def _fit(self, split: Split, run: TrainingRun) -> None:
        raise NotImplementedError

    def state(self) -> dict[str, torch.Tensor]:
        """Nothing of its own."""
        return {}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        raise NotImplementedError


def _codes(earlier: Any, later: Any, n: int) -> np.ndarray:
    """(n,) the earlier code of each later one; UNKNOWN of what came since."""
    ids = earlier.cast(later.ids.dtype)
    found = later.find(ids)
    codes = np.full(n, UNKNOWN, dtype=np.int64)
    there = found != UNKNOWN
    codes[found[there]] = np.flatnonzero(there)
    return codes


def _is_fresh(data: Dataset, before: Dataset) -> np.ndarray:
    """(n,) bool: which interactions the earlier data do not have."""
    users = _codes(before.user_vocabulary.ids, data.user_vocabulary, data.n_users)[data.users]
    items = _codes(before.item_vocabulary.ids, data.item_vocabulary, data.n_items)[data.items]
    known = (users != UNKNOWN) & (items != UNKNOWN)
    pairs = before.users.astype(np.int64) * before.n_items + before.items
    return ~(known & np.isin(users * before.n_items + items, pairs))


def _unfitted(current: Bundle) -> Recommender:
    """A model with the same settings, and as many epochs as were best when it was trained first."""
    config, training = current.model.config, current.training
    best = training["best_epoch"] if training else 0
    fields = type(config).model_fields
    update: dict[str, Any] = {"epochs": best} if best and "epochs" in fields else {}
    if "patience" in fields:
        update["patience"] = None
    return type(current.model)(config.model_copy(update=update))


def paired_difference(new: Evaluation, before: Evaluation) -> dict[str, Any]:
    """How much better the new model is for the same users: the mean, and its 95% interval."""
    each = new.per_user[CRITERION] - before.per_user[CRITERION]
    low, high = bootstrap_intervals(each[None], seed=INTERVAL_SEED)
    return {
        "metric": CRITERION,
        "mean": float(each.mean()),
        "interval": [float(low[0]), float(high[0])],
    }


def _figures(new: Evaluation, before: Evaluation) -> dict[str, Any]:
    return {
        "split": new.split,
        "protocol": new.protocol,
        "n_users": new.n_users,
        "metrics": dict(new.metrics),
        "intervals": {name: list(ends) for name, ends in new.intervals.items()},
        "before": dict(before.metrics),
        "baseline": {name: dict(each.metrics) for name, each in new.baselines.items()},
    }
