"""Fold-in: the vector of somebody whose history nobody trained on, with all else frozen.

A stranger's vector is the most probable one a posteriori: it explains the history by the loss that
the model was trained with, under a Gaussian prior around the mean of the trained users' vectors,
somewhat wider than they lie apart, dimension by dimension. A short history thus stays near the
average user.

A known user's vector comes from the trained one, in the same way. The trained one counts as right
about what it was trained on: with L₀ the loss of the history that training knew and s₀ the scores
that the trained vector gives, the loss L of the whole history becomes

    L(s) - s · ∂L₀(s₀),

so that new events alone pull, against what the others hold. For softmax and binary cross-entropy
the others' part is then the Kullback-Leibler divergence from what the trained vector says of them.
"""

from dataclasses import dataclass

import torch

from tastemaker.data.users import UserBatch
from tastemaker.models.evidence import Evidence, EvidenceOf
from tastemaker.models.user_vectors import trained_or
from tastemaker.shown import short_repr

STEPS = 15
LEARNING_RATE = 0.4
"""Of the first step, in deviations of the prior; it falls to 0 in a straight line."""

MOMENTS = 0.5, 0.9
"""Adam's, which forget sooner than the usual ones: there are only so few steps."""

USERS_AT_ONCE = 64
"""Users whose vectors are fitted together, few enough for a processor's cache."""

PRIOR_WEIGHT = 0.5
"""Trained vectors are held short, and so lie less far apart than the tastes behind them."""


@dataclass(frozen=True, eq=False)
class FoldIn:
    """Finds vectors by a few steps of Adam, each user's on its own history alone."""

    evidence_of: EvidenceOf
    """What histories say, by the loss of the model."""
    table: torch.Tensor
    """(n_users, d) trained vectors by code."""
    mean: torch.Tensor
    """(d,) of the trained users' vectors."""
    deviation: torch.Tensor
    """(d,) likewise."""

    __repr__ = short_repr

    @classmethod
    def of(cls, evidence_of: EvidenceOf, table: torch.Tensor, is_trained: torch.Tensor) -> "FoldIn":
        """With the prior that the trained users' vectors, (n_users,) bool, give."""
        trained = table[is_trained]
        deviation = trained.std(dim=0, correction=0).clamp(min=1e-4)
        return cls(evidence_of, table, trained.mean(dim=0), deviation)

    def __call__(self, users: UserBatch, before: UserBatch) -> torch.Tensor:
        """The vectors (n, d) of n users.

        Args:
            users: with their histories.
            before: the same users with what training knew of each, nothing of a stranger.
        """
        vectors = trained_or(self.mean, self.table, before)
        # Together with others of its length, a history needs little filling.
        by_length = users.lengths.argsort(kind="stable")
        for start in range(0, len(users), USERS_AT_ONCE):
            block = by_length[start : start + USERS_AT_ONCE]
            evidence = self.evidence_of(users.at(block), before.at(block), vectors.device)
            vectors[block] = self._descend(evidence, vectors[block])
        return vectors

    def _descend(self, evidence: Evidence, centre: torch.Tensor) -> torch.Tensor:
        """Vectors (n, d) from those that the prior is centred on."""
        offsets = torch.zeros_like(centre, requires_grad=True)
        optimizer = torch.optim.Adam([offsets], betas=MOMENTS)
        with torch.enable_grad():
            known_slope = _known_slope(evidence, centre)
            for step in range(STEPS):
                optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / STEPS)
                optimizer.zero_grad()
                scores = evidence.score(centre + self.deviation * offsets)
                misfit = evidence.loss(scores, evidence.now) - (scores * known_slope).sum()
                (misfit + 0.5 * PRIOR_WEIGHT * offsets.square().sum()).backward()
                optimizer.step()
        return (centre + self.deviation * offsets).detach()


def _known_slope(evidence: Evidence, centre: torch.Tensor) -> torch.Tensor:
    """∂L₀(s₀), in the shape of the scores; 0 for strangers."""
    scores = evidence.score(centre).requires_grad_()
    return torch.autograd.grad(evidence.loss(scores, evidence.before), scores)[0]
