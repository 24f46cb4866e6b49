"""What histories say of their users' vectors, by the loss that a model was trained with."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from tastemaker.data.users import UserBatch
from tastemaker.models.matrices import history_matrix
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


EvidenceOf = Callable[[UserBatch, UserBatch, torch.device], Evidence]
"""n users, the same with what training knew of each, and where to compute."""


def in_whole_catalog(score_all: ScoreAll, n_items: int) -> EvidenceOf:
    """For a model trained with the multinomial likelihood, whose negatives are all other items.

    Args:
        score_all: the model with everything but the user vectors frozen.
        n_items: size of the catalog.
    """

    def evidence(users: UserBatch, before: UserBatch, device: torch.device) -> Evidence:
        now, known = (
            torch.from_numpy(history_matrix(batch, n_items).toarray()).to(device)
            for batch in (users, before)
        )
        return Evidence(
            score_all, lambda scores, counts: multinomial(scores, counts).sum(), now, now * known
        )

    return evidence


def against_samples(score: ScoreVectors, n_items: int, seed: int, loss: RowLoss) -> EvidenceOf:
    """For a model trained on positives, each with negatives that are drawn for it.

    Everybody is given the same negatives, so that who else is in the batch changes nothing.

    Args:
        score: the model with everything but the user vectors frozen.
        n_items: size of the catalog.
        seed: of the negatives.
        loss: what the model was trained with.
    """
    generator = torch.Generator().manual_seed(seed)
    negatives = torch.randint(n_items, (LONGEST_HISTORY, NEGATIVES), generator=generator).numpy()

    def evidence(users: UserBatch, before: UserBatch, device: torch.device) -> Evidence:
        items, filling, now, known = (
            torch.from_numpy(array).to(device)
            for array in _rows_of_pairs(users, before, negatives, n_items)
        )

        def score_pairs(vectors: torch.Tensor) -> torch.Tensor:
            scores = score(vectors, items.flatten(1)).view(items.shape)
            return scores.masked_fill(filling, IMPOSSIBLE).flatten(0, 1)

        return Evidence(
            score_pairs, lambda rows, counts: loss(rows) @ counts, now.flatten(), known.flatten()
        )

    return evidence


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
