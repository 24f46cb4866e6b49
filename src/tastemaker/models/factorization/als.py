"""Alternating least squares over all pairs of users and items, by one process or several.

In each epoch, the vectors of the users are improved with those of the items fixed, and then the
other way round.
"""

import time

import numpy as np
import torch
from scipy.sparse import csr_matrix

from tastemaker.models.factorization.conjugate_gradients import gram_matrix, improve
from tastemaker.models.factorization.epochs import OnEpoch
from tastemaker.native.als import WIDTH
from tastemaker.process_group import gathered, own_part, summed

INITIAL_SCALE = 0.01
"""Upper limit of the initial values, which are drawn uniformly from 0."""

STEPS = 3
"""Steps of conjugate gradients that a vector takes in an epoch, from its last value."""


class ALS:
    """The vectors of users and items that minimise the weighted squared error of all pairs.

    Several processes divide the users and the items. Each of them improves the vectors of its own
    part and then receives all others, so that every process has all vectors.
    """

    def __init__(
        self,
        extra: csr_matrix,
        penalties: tuple[np.ndarray, np.ndarray],
        embedding_size: int,
        seed: int,
    ) -> None:
        """Draws the initial vectors.

        Args:
            extra: (n_users, n_items) float64 confidences of the touched pairs above 1; that of all
                others is 1.
            penalties: of the squared lengths of the vectors of users, (n_users,) float64, and of
                items, (n_items,).
            embedding_size: dimension of the vectors.
            seed: of the initial vectors.
        """
        n_users, n_items = extra.shape
        self._size = embedding_size
        self._confidence = n_users * n_items + float(extra.data.sum())
        with np.errstate(over="ignore"):  # infinite numbers lead to NaN, which `fit` reports
            of_users, of_items = (each.astype(np.float32) for each in penalties)
            extra = extra.astype(np.float32)
        generator = np.random.default_rng(seed)
        self._users = _Side(extra, of_users, _initial(n_users, embedding_size, generator))
        self._items = _Side(extra.T.tocsr(), of_items, _initial(n_items, embedding_size, generator))

    @property
    def items(self) -> np.ndarray:
        """(n_items, embedding_size) float32 vectors of the items."""
        return self._items.vectors[:, : self._size]

    def train(self, epochs: int, on_epoch: OnEpoch) -> None:
        """Improves all vectors in some epochs.

        Args:
            epochs: number of epochs.
            on_epoch: receives the loss of each epoch, which is the objective divided by the sum of
                the confidences of all pairs. It may raise to end the training.
        """
        for _ in range(epochs):
            started_at = time.monotonic()
            self._users.improve(self._items.vectors)
            loss = self._items.improve(self._users.vectors) + self._users.penalty()
            loss = float(summed(torch.tensor(loss, dtype=torch.float64)))
            on_epoch(time.monotonic() - started_at, loss / self._confidence)


class _Side:
    """The users or the items: all vectors, and the rows that this process improves."""

    def __init__(self, extra: csr_matrix, penalties: np.ndarray, vectors: np.ndarray) -> None:
        self._own = own_part(len(vectors))
        self._extra, self._penalties = extra[self._own], penalties[self._own]
        self.vectors = vectors

    def improve(self, fixed: np.ndarray) -> float:
        """Improves all vectors with those of the other side fixed.

        Returns:
            What the own rows add to the objective, without the penalty of the other side.
        """
        own = self.vectors[self._own]
        losses = improve(self._extra, self._penalties, fixed, gram_matrix(fixed), own, STEPS)
        self.vectors = gathered(torch.from_numpy(own)).numpy()
        return float(losses.sum())

    def penalty(self) -> float:
        """Returns the penalty of the own vectors."""
        own = self.vectors[self._own].astype(np.float64)
        return float(np.einsum("n,nd,nd->", self._penalties, own, own))


def _initial(n: int, embedding_size: int, generator: np.random.Generator) -> np.ndarray:
    """Returns (n, d) float32, filled up with zeros to the width of compiled code."""
    vectors = generator.random((n, embedding_size), dtype=np.float32) * INITIAL_SCALE
    return np.pad(vectors, ((0, 0), (0, -embedding_size % WIDTH)))
