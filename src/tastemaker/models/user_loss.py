"""What histories say of their users' vectors, by the loss that a model was trained with."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from tastemaker.data.users import UserBatch
from tastemaker.models.matrices import history_matrix
from tastemaker.shown import short_repr
from tastemaker.training.losses import IMPOSSIBLE, RowLoss, multinomial

NEGATIVES = 4

LONGEST_HISTORY = 200
"""Where negatives are drawn the most recent so many interactions decide; more would cost time."""

ScoreVectors = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(n, d) user vectors and (n, c) int64 items to (n, c) scores."""

ScoreAll = Callable[[torch.Tensor], torch.Tensor]
"""(n, d) user vectors to (n, n_items) scores."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the histories of n users say of their vectors."""

    score: Callable[[torch.Tensor], torch.Tensor]
    """(n, d) vectors to the scores of what was touched and of what it is held against."""
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    """Those scores, and how much each interaction counts, to a scalar: the sum over the users."""
    now: torch.Tensor
    """How much each interaction counts."""
    before: torch.Tensor
    """The same, but 0 for what training did not know."""

    __repr__ = short_repr


EvidenceOf = Callable[[UserBatch, UserBatch, torch.device], Evidence]
"""n users, the same with what training knew of each, and where to compute."""


@dataclass(frozen=True, eq=False)
class InWholeCatalog:
    """For a model trained with the multinomial likelihood, whose negatives are all other items."""

    score_all: ScoreAll
    """The model with everything but the user vectors frozen."""
    n_items: int

    def __call__(self, users: UserBatch, before: UserBatch, device: torch.device) -> Evidence:
        """As EvidenceOf."""
        now, known = (
            torch.from_numpy(history_matrix(batch, self.n_items).toarray()).to(device)
            for batch in (users, before)
        )
        return Evidence(
            self.score_all, lambda scores, counts: multinomial(scores, counts).sum(), now,
            now * known,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class AgainstSamples:
    """For a model trained on positives, each with negatives that are drawn for it.

    Everybody is given the same negatives, so that who else is in the batch changes nothing.
    """

    score: ScoreVectors
    """The model with everything but the user vectors frozen."""
    n_items: int
    seed: int
    """Seed of the negatives."""
    loss: RowLoss
    """What the model was trained with."""

    @cached_property
    def _negatives(self) -> np.ndarray:
        """(LONGEST_HISTORY, NEGATIVES) int64 codes."""
        generator = torch.Generator().manual_seed(self.seed)
        shape = LONGEST_HISTORY, NEGATIVES
        return torch.randint(self.n_items, shape, generator=generator).numpy()

    def __call__(self, users: UserBatch, before: UserBatch, device: torch.device) -> Evidence:
        """As EvidenceOf."""
        # Copied into PyTorch's aligned memory, since a product may depend on the alignment.
        items, filling, now, known = (
            torch.tensor(array, device=device)
            for array in _rows_of_pairs(users, before, self._negatives, self.n_items)
        )

        def score_pairs(vectors: torch.Tensor) -> torch.Tensor:
            scores = self.score(vectors, items.flatten(1)).view(items.shape)
            return scores.masked_fill(filling, IMPOSSIBLE).flatten(0, 1)

        return Evidence(
            score_pairs, lambda rows, counts: self.loss(rows) @ counts, now.flatten(),
            known.flatten(),
        )  # fmt: skip


def _rows_of_pairs(
    users: UserBatch, before: UserBatch, negatives: np.ndarray, n_items: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Items and which are only filling, (n, w, 1 + negatives) each, the positive in front.

    Behind them, (n, w) float32 each, which rows are an interaction, and one that training knew.
    """
    width = min(int(users.lengths.max(initial=1)), LONGEST_HISTORY)
    rows, touched = users.rows, users.rows * n_items + users.items
    age = users.indptr[rows + 1] - 1 - np.arange(len(rows))  # 0 for the latest
    recent = age < width
    place = rows[recent], age[recent]
    items = np.zeros((len(users), width, 1 + negatives.shape[1]), dtype=np.int64)
    items[:, :, 1:] = negatives[:width]
    items[(*place, 0)] = users.items[recent]
    filling = np.isin(np.arange(len(users))[:, None, None] * n_items + items, touched)
    now, known = np.zeros((2, len(users), width), dtype=np.float32)
    now[place] = 1
    known[place] = np.isin(touched[recent], before.rows * n_items + before.items)
    filling[:, :, 0] = now == 0
    return items, filling, now, known
