"""Popularity: everybody gets what most people touched. The floor that any model must clear."""

import numpy as np
import torch

from tastemaker.config import Config
from tastemaker.data.splitting import Split
from tastemaker.data.users import UserBatch
from tastemaker.models.recommender import Recommender
from tastemaker.training.run import TrainingRun


class PopularityConfig(Config):
    """Nothing to set."""


class Popularity(Recommender):
    """Scores an item by how many users touched it in training, or by their weights."""

    name = "popularity"
    config_class = PopularityConfig

    def _fit(self, split: Split, run: TrainingRun) -> None:
        train = split.train
        counts = np.bincount(train.items, weights=train.weights, minlength=train.n_items)
        self._counts = torch.from_numpy(counts.astype(np.float32))

    def _score(self, users: UserBatch) -> torch.Tensor:
        return self._counts.expand(len(users), -1)

    def _score_candidates(self, users: UserBatch, items: torch.Tensor) -> torch.Tensor:
        return self._counts[items]

    def state(self) -> dict[str, torch.Tensor]:
        """counts: (n_items,) float32."""
        return {"counts": self._counts}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        self._counts = state["counts"]
