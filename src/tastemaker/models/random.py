"""Random: everybody gets the items in an order drawn by lot. What chance alone would score."""

import numpy as np
import torch
from pydantic import Field

from tastemaker.config import Config
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.models.recommender import Recommender
from tastemaker.training.run import TrainingRun


class RandomConfig(Config):
    """Settings of Random."""

    seed: int = Field(0, ge=0, lt=2**32)
    """One seed gives one order of the items for each user."""


class Random(Recommender):
    """An order of the items drawn by lot for each user: what chance alone would score.

    Scores are hashes of seed, user and item: nothing is learned. So a user has the same ones in
    any batch and on any day. For an unseen user, the set of items in the history is hashed.
    """

    name = "random"
    config_class = RandomConfig
    config: RandomConfig

    def _fit(self, split: Split, run: TrainingRun) -> None:
        """Nothing to learn."""

    def _score(self, users: UserBatch) -> torch.Tensor:
        everything = torch.arange(self.dataset.n_items).expand(len(users), -1)
        return self._score_candidates(users, everything)

    def _score_candidates(self, users: UserBatch, items: torch.Tensor) -> torch.Tensor:
        people = _hash(_people(users) ^ _hash(np.array([self.config.seed], dtype=np.uint64)))
        hashes = _hash(people[:, None] ^ items.numpy().astype(np.uint64))
        # The upper 24 bits are as many as a float32 between 0 and 1 tells apart.
        return torch.from_numpy((hashes >> 40).astype(np.float32) / 2**24)

    def state(self) -> dict[str, torch.Tensor]:
        """Empty: the seed is in the config."""
        return {}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        """Nothing to take up."""


def _people(users: UserBatch) -> np.ndarray:
    """(n,) uint64: a known user's code, an unseen user's sum of hashes over the history."""
    histories = np.zeros(len(users), dtype=np.uint64)
    np.add.at(histories, users.rows, _hash(users.items.astype(np.uint64)))
    return np.where(users.codes == UNKNOWN, histories, users.codes.astype(np.uint64))


def _hash(numbers: np.ndarray) -> np.ndarray:
    """A fixed, well-mixed number for each: uint64 to uint64 (the SplitMix64 generator's output)."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
