"""Alternating least squares over all pairs of users and items, by one process or several.

In each epoch, the vectors of the users are improved with those of the items fixed, and then the
other way round. The package `implicit` takes three steps of conjugate gradients for each vector,
from its last value.
"""

import time

import numpy as np
import torch
from scipy.sparse import csr_matrix

from tastemaker.models.factorization import implicit_library
from tastemaker.process_group import gathered, own_part, summed

INITIAL_SCALE = 0.01
"""Upper limit of the initial values, which are drawn uniformly from 0."""


class ALS:
    """The vectors of users and items that minimise the weighted squared error of all pairs.

    Several processes divide the users and the items. Each of them improves the vectors of its own
    part and then receives all others, so that every process has all vectors.
    """

    def __init__(
        self, confidences: csr_matrix, embedding_size: int, regularization: float, seed: int
    ) -> None:
        """Draws the initial vectors.

        Args:
            confidences: (n_users, n_items) float32 confidences above 1 of the touched pairs; that
                of all others is 1.
            embedding_size: dimension of the vectors.
            regularization: the penalty on the squared length of every vector.
            seed: of the initial vectors.
        """
        n_users, n_items = confidences.shape
        self._own_users = confidences[own_part(n_users)]
        self._own_items = confidences.T.tocsr()[own_part(n_items)]
        self._regularization = regularization
        generator = np.random.default_rng(seed)
        self._users, self.items = (
            generator.random((n, embedding_size), dtype=np.float32) * INITIAL_SCALE
            for n in (n_users, n_items)
        )

    def train(self, epochs: int, on_epoch: implicit_library.OnEpoch) -> None:
        """Improves all vectors in some epochs; `on_epoch` may raise to end the training."""
        for _ in range(epochs):
            started_at = time.monotonic()
            self._users = self._improved(self._own_users, self._users, self.items)
            self.items = self._improved(self._own_items, self.items, self._users)
            loss = self._loss()
            on_epoch(time.monotonic() - started_at, loss)

    def _improved(
        self, confidences: csr_matrix, vectors: np.ndarray, fixed: np.ndarray
    ) -> np.ndarray:
        """Returns all vectors of one side after a step; `confidences` are this process's rows."""
        own = vectors[own_part(len(vectors))]  # a view, which the package changes in place
        implicit_library.least_squares_cg(confidences, own, fixed, self._regularization)
        return gathered(torch.from_numpy(own)).numpy()

    def _loss(self) -> float:
        """Returns the objective of iALS divided by the sum of the confidences of all pairs."""
        own, own_users = self._own_users, self._users[own_part(len(self._users))]
        untouched = len(own_users) * len(self.items) - own.nnz
        # Not own.sum(), which sorts the matrix and thereby changes how the next step rounds.
        confidence = float(own.data.sum(dtype=np.float64)) + untouched
        error = 0.0
        if len(own_users):  # the package divides by the confidence, which is 0 without users
            loss = implicit_library.calculate_loss(own, own_users, self.items, 0.0)
            error = loss * confidence
        error, confidence = summed(torch.tensor([error, confidence], dtype=torch.float64)).tolist()
        penalty = self._regularization * (
            _squared_length(self._users) + _squared_length(self.items)
        )
        return (error + penalty) / confidence


def _squared_length(vectors: np.ndarray) -> float:
    return float(np.einsum("nd,nd->", vectors, vectors, dtype=np.float64))
