"""Repeat: recommends again what a user touched most and latest; the baseline for repeated items."""

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_matrix

from tastemaker.config import Config
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.models.recency import SECONDS_PER_DAY, decay
from tastemaker.models.recommender import Recommender
from tastemaker.models.space import Float, Range
from tastemaker.training.run import TrainingRun


class RepeatConfig(Config):
    """Settings of Repeat."""

    half_life_days: float | None = Field(30.0, gt=0)
    """An event this many days before the latest event of its user counts half as much; none: all
    events count by their weights alone, as they do where times are unknown. Where the times are an
    order rather than a clock, their steps count as seconds."""


class Repeat(Recommender):
    """Scores the items of a user's history by how much and how recently the user touched them.

    The score of an item of the history is Σ w 2^(-a / h) over the user's events with it, with w the
    weight of an event, a its age in days before the user's latest event, and h the half-life. All
    other items have scores from -1 to 0, in the order of their popularity: 0 for the item that most
    users touched in training. The model is of use where items are bought or played again, as in
    data that are read with repeats="keep".
    """

    name = "repeat"
    config_class = RepeatConfig
    config: RepeatConfig
    uses_weights = True
    trains_in_processes = True
    reads_order = True
    space: ClassVar[dict[str, Range]] = {"half_life_days": Float(0.1, 1000.0, log=True)}

    def _fit(self, split: Split, run: TrainingRun) -> None:
        self._counts = torch.tensor(split.train.pairs.item_counts.astype(np.float32))

    def _score(self, users: UserBatch) -> torch.Tensor:
        shape = len(users), len(self._counts)
        events = csr_matrix((self._event_scores(users), users.items, users.indptr), shape)
        own = torch.from_numpy(events.toarray())
        return torch.where(own > 0, own, self._counts / self._counts.max() - 1)

    def state(self) -> dict[str, torch.Tensor]:
        """Returns `counts`, (n_items,) float32: the number of users who touched each item."""
        return {"counts": self._counts}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        self._counts = state["counts"]

    def _are_informative(self, items: np.ndarray) -> np.ndarray:
        return np.ones(len(items), dtype=bool)

    def _event_scores(self, users: UserBatch) -> np.ndarray:
        """Returns (m,) float32: w 2^(-a / h) of each event of the histories."""
        scores = np.ones(len(users.items)) if users.weights is None else users.weights
        half_life_days = self.config.half_life_days
        if half_life_days is not None and users.timestamps is not None:
            latest = np.full(len(users), np.iinfo(np.int64).min)
            np.maximum.at(latest, users.rows, users.timestamps)
            age_s = latest[users.rows] - users.timestamps
            scores = scores * decay(age_s, SECONDS_PER_DAY * half_life_days)
        return scores.astype(np.float32)

    def _popularity(self) -> torch.Tensor:
        return self._counts
