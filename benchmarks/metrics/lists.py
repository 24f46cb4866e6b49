"""Scored lists with known relevant items, the same in every environment."""

from dataclasses import dataclass

import numpy as np

N_USERS, N_ITEMS, MOST_RELEVANT = 1_000, 400, 25
K = 10


@dataclass(frozen=True)
class Lists:
    """Every user's score of every item, none equal, and which items are relevant."""

    scores: np.ndarray
    """(n_users, n_items) float32, whole numbers."""
    relevant: np.ndarray
    """(n_users, n_items) bool; from one to many a user, more of them far up than by chance."""

    @classmethod
    def drawn(cls, seed: int = 0) -> "Lists":
        """The lists of a seed."""
        random = np.random.default_rng(seed)
        order = random.random((N_USERS, N_ITEMS)).argsort(axis=1)
        likely = order / N_ITEMS + random.random((N_USERS, N_ITEMS))
        wanted = random.integers(1, MOST_RELEVANT + 1, N_USERS)
        relevant = (-likely).argsort(axis=1).argsort(axis=1) < wanted[:, None]
        return cls(order.astype(np.float32), relevant)

    @property
    def top(self) -> np.ndarray:
        """(n_users, K) items, best first."""
        return (-self.scores).argsort(axis=1)[:, :K]
