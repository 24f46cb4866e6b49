"""Fold-in: computes the vector of a user for a history not trained on, all else frozen.

The vector of an unseen user is the maximum a posteriori estimate: the likelihood is that of the
history under the loss that the model was trained with, and the prior is a Gaussian around the mean
of the trained users' vectors, in each dimension somewhat wider than their standard deviation. With
a short history, the vector thus stays near that of the average user. In a model that reads the
users' features, the vector of the features is added to that mean.

The vector of a known user is computed in the same way, with the prior around the trained vector
(with features, around the own vector plus that of the current features). The trained vector is
assumed to be optimal for the history that it was trained on: with L₀ the loss of that history and
s₀ the scores of the trained vector, the loss L of the whole history becomes

    L(s) - s · ∂L₀(s₀),

so that only new interactions move the vector, while those trained on hold it in place: with softmax
or binary cross-entropy, their part of the loss is then the Kullback-Leibler divergence from the
predictions of the trained vector, up to a constant. Interactions count with their weights, relative
to the mean of the training data; an interaction that became heavier since training is new by the
difference. In a history without weights, all count the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from tastemaker.data.users import UserBatch
from tastemaker.models.factorization.bfgs import minimise
from tastemaker.models.factorization.user_loss import UserLoss
from tastemaker.models.factorization.user_vectors import trained_or_default
from tastemaker.representation import short_repr

USERS_AT_ONCE = 64
"""Largest number of users whose vectors are computed together; it fits a processor's cache."""

NUMBERS_AT_ONCE = 1 << 22
"""Largest number of entries in the d x d matrices of users whose vectors are computed together."""

PRIOR_WEIGHT = 0.5
"""Weight of the prior; below 1, since regularization makes trained vectors vary less than users'
tastes do."""


@dataclass(frozen=True, eq=False)
class FoldIn:
    """Computes the vectors of users, each from that user's history alone."""

    loss: UserLoss
    """The loss that the model was trained with, as a function of the users' vectors."""
    table: torch.Tensor
    """(n_users, d) trained vectors by code; with features, without the vectors of these."""
    mean: torch.Tensor
    """(d,) mean of the trained users' vectors."""
    deviation: torch.Tensor
    """(d,) standard deviations of the trained users' vectors."""
    features: Callable[[UserBatch], torch.Tensor] | None = None
    """Returns the vectors (n, d) of users' features, by which the prior is moved. The mean and the
    deviations are then those of the vectors without features."""

    __repr__ = short_repr

    @classmethod
    def of(cls, loss: UserLoss, table: torch.Tensor, is_trained: torch.Tensor) -> "FoldIn":
        """Takes the prior from the trained users' rows, where `is_trained` (n_users,) is true."""
        trained = table[is_trained]
        deviation = trained.std(dim=0, correction=0).clamp(min=1e-4)
        return cls(loss, table, trained.mean(dim=0), deviation)

    def __call__(self, users: UserBatch, known: UserBatch) -> torch.Tensor:
        """Computes the vectors (n, d) of n users.

        Args:
            users: the users with their histories.
            known: the same users with the histories known in training; empty for unseen users.
        """
        vectors = trained_or_default(self.mean, self.table, known)
        if self.features is not None:
            vectors = vectors + self.features(users)
        at_once = max(1, min(USERS_AT_ONCE, NUMBERS_AT_ONCE // vectors.shape[1] ** 2))
        # Histories of similar length are processed together, so that they need little padding.
        by_length = users.lengths.argsort(kind="stable")
        for start in range(0, len(users), at_once):
            block = by_length[start : start + at_once]
            vectors[block] = self._maximum_a_posteriori(
                users.at(block), known.at(block), vectors[block]
            )
        return vectors

    def _maximum_a_posteriori(
        self, users: UserBatch, known: UserBatch, centre: torch.Tensor
    ) -> torch.Tensor:
        """Computes vectors (n, d) under the prior around the centre (n, d)."""
        loss_gradient = self.loss(users, known, centre)

        def gradient(offsets: torch.Tensor) -> torch.Tensor:
            """Returns the gradient with respect to the offsets, in units of `deviation`."""
            scaled_gradient = self.deviation * loss_gradient(centre + self.deviation * offsets)
            return scaled_gradient + PRIOR_WEIGHT * offsets

        return centre + self.deviation * minimise(gradient, torch.zeros_like(centre))
