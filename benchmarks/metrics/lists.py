"""Scored lists with known relevant items, the same in every environment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.contender import Answer, Repetition, timed

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


def measuring(
    evaluate: Callable[[], Mapping[Any, Any]], names: Mapping[str, Any], value: Callable = float
) -> Repetition:
    """Times an evaluation and gives its figures.

    Args:
        evaluate: computes the metrics of a library.
        names: key of each metric in the result, by our name of the metric.
        value: converts an entry of the result to a number.
    """

    def once() -> Answer:
        seconds, found = timed(evaluate)
        figures = {name: value(found[key]) for name, key in names.items()}
        return {"seconds": seconds, "work": N_USERS, "figures": figures}

    return once
