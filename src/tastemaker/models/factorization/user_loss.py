"""The loss of users' histories as a function of their vectors, with everything else frozen."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from tastemaker.data.users import UserBatch
from tastemaker.models.matrices import history_matrix
from tastemaker.representation import short_repr
from tastemaker.training.kernels.pairs import PairRows
from tastemaker.training.losses import IMPOSSIBLE, RowLoss

NEGATIVES = 4

LONGEST_HISTORY = 200
"""Where negatives are drawn, only this many of the latest interactions are used, to save time."""

ScoreVectors = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Maps (n, d) user vectors and (n, c) int64 item codes to (n, c) scores."""

ScoreAll = Callable[[torch.Tensor], torch.Tensor]
"""Maps (n, d) user vectors to (n, n_items) scores."""

UserGradient = Callable[[torch.Tensor], torch.Tensor]
"""Maps (n, d) user vectors to the (n, d) gradients of the users' losses."""

UserLoss = Callable[[UserBatch, UserBatch, torch.Tensor], UserGradient]
"""Takes n users, the same users with the histories known in training, and their trained vectors
(n, d); returns the gradient of their losses.

With L the loss of the whole history, L₀ that of the history known in training and s₀ the scores of
the trained vector, the loss of a user is L(s) - s · ∂L₀(s₀). Its gradient is zero at the trained
vector of a user whose history has not changed. L₀ = 0 for unseen users.
"""


@dataclass(frozen=True, eq=False)
class CatalogLoss:
    """Loss of a model trained with the multinomial likelihood: all other items are negatives."""

    score_all: ScoreAll
    """The scores of the model, with everything but the user vectors frozen."""
    n_items: int
    mean_weight: float = 1.0
    """Mean weight of the training data, by which the weights of histories are divided."""

    __repr__ = short_repr

    def __call__(self, users: UserBatch, known: UserBatch, trained: torch.Tensor) -> UserGradient:
        """Implements `UserLoss`."""
        counts = self._counts(users, trained.device)
        n_interactions = counts.sum(dim=1, keepdim=True)
        # The gradient of -Σ x log softmax(s) with respect to s is softmax(s) Σ x - x.
        subtracted = counts
        if known.items.size:
            known_counts = self._counts(known, trained.device) * (counts > 0)
            probabilities = self.score_all(trained).softmax(dim=1)
            known_slope = probabilities * known_counts.sum(dim=1, keepdim=True) - known_counts
            subtracted = counts + known_slope

        def gradient(vectors: torch.Tensor) -> torch.Tensor:
            vectors = vectors.detach().requires_grad_()
            with torch.enable_grad():
                scores = self.score_all(vectors)
            score_gradients = scores.detach().softmax(dim=1).mul_(n_interactions).sub_(subtracted)
            # The gradient of a single number, since PyTorch imports SymPy where gradients of the
            # scores are given: a third of a second, in which a service would not be ready.
            with torch.enable_grad():
                product = torch.dot(scores.flatten(), score_gradients.flatten())
            return torch.autograd.grad(product, vectors)[0]

        return gradient

    def _counts(self, users: UserBatch, device: torch.device) -> torch.Tensor:
        """Returns (n, n_items) float32: the relative weights of a user's history, else 0."""
        histories = history_matrix(users, self.n_items, self.mean_weight)
        return torch.from_numpy(histories.toarray()).to(device)


@dataclass(frozen=True, eq=False)
class SampledLoss:
    """Loss of a model trained on positives, each with negatives that are drawn for it.

    All users get the same negatives, so that a user's loss does not depend on the rest of the
    batch.
    """

    score: ScoreVectors
    """The scores of the model, with everything but the user vectors frozen."""
    n_items: int
    seed: int
    """Seed of the negatives."""
    loss: RowLoss
    """The loss that the model was trained with."""
    mean_weight: float = 1.0
    """Mean weight of the training data, by which the weights of histories are divided."""
    compiled: Callable[[PairRows, torch.Tensor], UserGradient] | None = None
    """Compiled code for the gradients; takes the rows and ∂L₀(s₀), (n, w, c)."""

    __repr__ = short_repr

    @cached_property
    def _negatives(self) -> np.ndarray:
        """(LONGEST_HISTORY, NEGATIVES) int64 codes of the negatives."""
        generator = torch.Generator().manual_seed(self.seed)
        shape = LONGEST_HISTORY, NEGATIVES
        return torch.randint(self.n_items, shape, generator=generator).numpy()

    def __call__(self, users: UserBatch, known: UserBatch, trained: torch.Tensor) -> UserGradient:
        """Implements `UserLoss`."""
        rows = rows_of_pairs(
            users, known, self._negatives, self.n_items, trained.device, self.mean_weight
        )
        known_slope = torch.zeros(rows.items.shape, device=trained.device)
        if known.items.size:
            scores = self._scores(rows, trained).detach().requires_grad_()
            with torch.enable_grad():
                loss = self._loss(rows, scores, rows.known_weights)
            known_slope = torch.autograd.grad(loss, scores)[0]
        if self.compiled is not None:
            return self.compiled(rows, known_slope.contiguous())

        def gradient(vectors: torch.Tensor) -> torch.Tensor:
            vectors = vectors.detach().requires_grad_()
            with torch.enable_grad():
                scores = self._scores(rows, vectors)
                loss = self._loss(rows, scores, rows.weights) - (scores * known_slope).sum()
            return torch.autograd.grad(loss, vectors)[0]

        return gradient

    def _scores(self, rows: PairRows, vectors: torch.Tensor) -> torch.Tensor:
        """Returns scores (n, w, c), with IMPOSSIBLE for filling."""
        scores = self.score(vectors, rows.items.flatten(1)).view(rows.items.shape)
        return scores.masked_fill(rows.filling, IMPOSSIBLE)

    def _loss(self, rows: PairRows, scores: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return self.loss(scores.flatten(0, 1)) @ weights.flatten()


def rows_of_pairs(
    users: UserBatch,
    known: UserBatch,
    negatives: np.ndarray,
    n_items: int,
    device: torch.device,
    mean_weight: float = 1.0,
) -> PairRows:
    """Returns the latest interactions of n users, each followed by its negatives.

    Negatives that the user has touched are marked as filling.

    Args:
        users: the users with their histories.
        known: the same users with the histories known in training.
        negatives: (longest, c - 1) int64 codes: a row for the latest interaction, one for the
            interaction before, and so on; older interactions are left out.
        n_items: number of items.
        device: the device of the result.
        mean_weight: mean weight of the training data, by which the weights are divided.
    """
    width = min(int(users.lengths.max(initial=1)), len(negatives))
    rows, touched = users.rows, users.rows * n_items + users.items
    age = users.indptr[rows + 1] - 1 - np.arange(len(rows))  # 0 for the latest
    recent = age < width
    positions = rows[recent], age[recent]
    items = np.zeros((len(users), width, 1 + negatives.shape[1]), dtype=np.int64)
    items[:, :, 1:] = negatives[:width]
    items[(*positions, 0)] = users.items[recent]
    filling = np.isin(np.arange(len(users))[:, None, None] * n_items + items, touched)
    weights, known_weights = np.zeros((2, len(users), width), dtype=np.float32)
    weights[positions] = 1 if users.weights is None else users.weights[recent] / mean_weight
    if recent.any():  # SciPy cannot select no entries
        in_training = history_matrix(known, n_items, mean_weight)
        known_weights[positions] = in_training[rows[recent], users.items[recent]]
    filling[:, :, 0] = weights == 0
    # Copied into PyTorch's aligned memory, since the alignment may affect a product's rounding.
    return PairRows(
        *(torch.tensor(array, device=device) for array in (items, filling, weights, known_weights))
    )
