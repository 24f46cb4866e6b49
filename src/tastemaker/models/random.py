"""Random: ranks the items in a random order for each user; the baseline of random guessing."""

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
    """Seed of the random order; the same seed gives a user the same order of the items."""


class Random(Recommender):
    """A random order of the items for each user; the baseline of random guessing.

    Scores are hashes of seed, user and item, and nothing is learned, so a user's scores are the
    same in every batch and at any time. An unseen user is hashed by the items of the history,
    whatever their order.
    """

    name = "random"
    config_class = RandomConfig
    config: RandomConfig
    trains_in_processes = True

    def _fit(self, split: Split, run: TrainingRun) -> None:
        """Does nothing, since there is nothing to learn."""

    def _score(self, users: UserBatch) -> torch.Tensor:
        all_items = torch.arange(self.dataset.n_items).expand(len(users), -1)
        return self._score_candidates(users, all_items)

    def _score_candidates(self, users: UserBatch, items: torch.Tensor) -> torch.Tensor:
        user_hashes = _hash(
            _user_numbers(users) ^ _hash(np.array([self.config.seed], dtype=np.uint64))
        )
        hashes = _hash(user_hashes[:, None] ^ items.numpy().astype(np.uint64))
        # The upper 24 bits are used, since a float32 has 24 bits of precision.
        return torch.from_numpy((hashes >> 40).astype(np.float32) / 2**24)

    def is_cold(self, users: UserBatch) -> np.ndarray:
        """Returns (n,) bool: no user is, since nothing needs to be known of one."""
        return np.zeros(len(users), dtype=bool)

    def _are_informative(self, items: np.ndarray) -> np.ndarray:
        return np.ones(len(items), dtype=bool)

    def state(self) -> dict[str, torch.Tensor]:
        """Returns an empty state, since the seed is in the config."""
        return {}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        """Does nothing, since the state is empty."""


def _user_numbers(users: UserBatch) -> np.ndarray:
    """Returns (n,) uint64: the user's code, or the sum of the hashed items of an unseen user."""
    history_hashes = np.zeros(len(users), dtype=np.uint64)
    np.add.at(history_hashes, users.rows, _hash(users.items.astype(np.uint64)))
    return np.where(users.codes == UNKNOWN, history_hashes, users.codes.astype(np.uint64))


def _hash(numbers: np.ndarray) -> np.ndarray:
    """Hashes uint64 to uint64 by the output function of the SplitMix64 generator."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
