"""Popularity: recommends the items that most users touched; the baseline for every model."""

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from tastemaker.config import Config
from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.errors import ConfigError
from tastemaker.models.recency import SECONDS_PER_DAY, decay
from tastemaker.models.recommender import Recommender
from tastemaker.models.space import Float, Range
from tastemaker.training.run import TrainingRun


class PopularityConfig(Config):
    """Settings of Popularity."""

    half_life_days: float | None = Field(None, gt=0)
    """An interaction this many days older than the newest counts half as much; none: all count the
    same. Where the times are an order rather than a clock, their steps count as seconds."""
    weighted: bool = False
    """Whether an interaction counts by its weight. By default it counts 1 even if the data have
    weights, so that popularity is the same baseline for all models on the same interactions."""


class Popularity(Recommender):
    """Scores an item by how many users touched it in training.

    With a half-life, recent interactions count more than old ones. Weights count only if `weighted`
    is set.
    """

    name = "popularity"
    config_class = PopularityConfig
    config: PopularityConfig
    uses_weights = True
    trains_in_processes = True
    space: ClassVar[dict[str, Range]] = {"half_life_days": Float(1.0, 3650.0, log=True)}

    def _fit(self, split: Split, run: TrainingRun) -> None:
        train = split.train
        counts = np.bincount(train.items, weights=self._weights(train), minlength=train.n_items)
        self._counts = torch.tensor(counts.astype(np.float32))

    def _score(self, users: UserBatch) -> torch.Tensor:
        return self._counts.expand(len(users), -1)

    def _score_candidates(self, users: UserBatch, items: torch.Tensor) -> torch.Tensor:
        return self._counts[items]

    def _popularity(self) -> torch.Tensor:
        return self._counts

    def state(self) -> dict[str, torch.Tensor]:
        """Returns `counts`, (n_items,) float32."""
        return {"counts": self._counts}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        self._counts = state["counts"]

    def _weights(self, train: Dataset) -> np.ndarray | None:
        """Returns (n,) how much each interaction counts, or None if each counts 1."""
        weights = train.weights if self.config.weighted else None
        half_life_days = self.config.half_life_days
        if half_life_days is None:
            return weights
        if train.timestamps is None:
            raise ConfigError(
                f"popularity: half_life_days is {half_life_days:g}, but {train.name} has no times, "
                "so the age of an interaction is unknown; name the time column with time=…, or "
                "leave half_life_days unset"
            )
        age_s = train.timestamps.max() - train.timestamps
        recency = decay(age_s, SECONDS_PER_DAY * half_life_days)
        return recency if weights is None else recency * weights
