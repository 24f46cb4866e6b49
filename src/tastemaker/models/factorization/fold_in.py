"""Fold-in: the vector of a user whose history was not trained on, with everything else frozen.

The vector of an unseen user is the most probable one a posteriori: it explains the history by the
loss that the model was trained with, under a Gaussian prior around the mean of the trained users'
vectors, somewhat wider than they lie apart, dimension by dimension. A short history thus stays near
the average user.

The vector of a known user comes from the trained one, in the same way. The trained one counts as
right about what it was trained on: with L₀ the loss of the history that training knew and s₀ the
scores that the trained vector gives, the loss L of the whole history becomes

    L(s) - s · ∂L₀(s₀),

so that new events alone pull, against what the others hold. For softmax and binary cross-entropy
the others' part is then the Kullback-Leibler divergence from what the trained vector says of them.
"""

from dataclasses import dataclass

import torch

from tastemaker.data.users import UserBatch
from tastemaker.models.factorization.bfgs import minimise
from tastemaker.models.factorization.user_loss import UserLoss
from tastemaker.models.factorization.user_vectors import trained_or
from tastemaker.shown import short_repr

USERS_AT_ONCE = 64
"""Users whose vectors are found together, few enough for a processor's cache."""

NUMBERS_AT_ONCE = 1 << 22
"""Numbers in the d² matrices of users whose vectors are found together."""

PRIOR_WEIGHT = 0.5
"""Trained vectors are held short, and so lie less far apart than the tastes behind them."""


@dataclass(frozen=True, eq=False)
class FoldIn:
    """Finds vectors, each user's from its own history alone."""

    loss: UserLoss
    """The loss that the model was trained with, as a function of the users' vectors."""
    table: torch.Tensor
    """(n_users, d) trained vectors by code."""
    mean: torch.Tensor
    """(d,) of the trained users' vectors."""
    deviation: torch.Tensor
    """(d,) standard deviations of the trained users' vectors."""

    __repr__ = short_repr

    @classmethod
    def of(cls, loss: UserLoss, table: torch.Tensor, is_trained: torch.Tensor) -> "FoldIn":
        """Takes the prior from the vectors of the trained users, (n_users,) bool."""
        trained = table[is_trained]
        deviation = trained.std(dim=0, correction=0).clamp(min=1e-4)
        return cls(loss, table, trained.mean(dim=0), deviation)

    def __call__(self, users: UserBatch, known: UserBatch) -> torch.Tensor:
        """The vectors (n, d) of n users.

        Args:
            users: with their histories.
            known: the same users with the histories known in training; empty for unseen users.
        """
        vectors = trained_or(self.mean, self.table, known)
        at_once = max(1, min(USERS_AT_ONCE, NUMBERS_AT_ONCE // vectors.shape[1] ** 2))
        # Together with others of its length, a history needs little filling.
        by_length = users.lengths.argsort(kind="stable")
        for start in range(0, len(users), at_once):
            block = by_length[start : start + at_once]
            vectors[block] = self._found(users.at(block), known.at(block), vectors[block])
        return vectors

    def _found(self, users: UserBatch, known: UserBatch, centre: torch.Tensor) -> torch.Tensor:
        """Vectors (n, d), under the prior around the centre (n, d)."""
        of_vectors = self.loss(users, known, centre)

        def gradient(offsets: torch.Tensor) -> torch.Tensor:
            """Gradient by the offset from the centre, in standard deviations of the prior."""
            of_loss = self.deviation * of_vectors(centre + self.deviation * offsets)
            return of_loss + PRIOR_WEIGHT * offsets

        return centre + self.deviation * minimise(gradient, torch.zeros_like(centre))
