"""Fold-in: a vector for somebody the model never trained on, with everything else frozen.

The vector is the most probable one a posteriori: the history is explained by the model's own
likelihood (binary cross-entropy against sampled negatives) under the Gaussian prior that the
trained users' vectors follow, dimension by dimension. A short history thus stays near the average
user.
"""

from collections.abc import Callable

import torch

from tastemaker.data.users import UserBatch
from tastemaker.training.losses import bce_terms

STEPS = 30
LEARNING_RATE = 0.1
NEGATIVES = 4
LONGEST_HISTORY = 100
"""The most recent so many interactions decide; more would cost time and change little."""

USERS_AT_ONCE = 256
"""Users whose vectors are fitted together, so that memory does not grow with their number."""

ScoreVectors = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(n, d) user vectors and (n, c) int64 items to (n, c) logits."""


def fold_in(
    score: ScoreVectors, users: UserBatch, trained: torch.Tensor, n_items: int, seed: int
) -> torch.Tensor:
    """Fits the vectors of a batch of users, each on its own history alone.

    Every user's negatives come from a generator of the user's own, so that who else is in the batch
    changes nothing.

    Args:
        score: the model with everything but the user vectors frozen.
        users: n users, each with a history.
        trained: (n_trained, d) vectors of users who were trained; they give the prior.
        n_items: size of the catalog.
        seed: of the negatives.

    Returns:
        (n, d) vectors.
    """
    mean, deviation = trained.mean(dim=0), trained.std(dim=0, correction=0).clamp(min=1e-4)
    parts = [
        _fit_part(score, users.part(start, start + USERS_AT_ONCE), mean, deviation, n_items, seed)
        for start in range(0, len(users), USERS_AT_ONCE)
    ]
    return torch.cat(parts)


def _fit_part(
    score: ScoreVectors,
    users: UserBatch,
    mean: torch.Tensor,
    deviation: torch.Tensor,
    n_items: int,
    seed: int,
) -> torch.Tensor:
    items, labels, mask = _samples(users, n_items, seed, mean.device)
    # Optimised in units of the prior's deviation, so that one step size suits every dimension.
    offsets = torch.zeros(len(users), len(mean), device=mean.device, requires_grad=True)
    optimizer = torch.optim.Adam([offsets], lr=LEARNING_RATE)
    with torch.enable_grad():
        for _ in range(STEPS):
            optimizer.zero_grad()
            logits = score(mean + deviation * offsets, items)
            likelihood = (bce_terms(logits, labels) * mask).sum()
            (likelihood + 0.5 * offsets.square().sum()).backward()
            optimizer.step()
    return (mean + deviation * offsets).detach()


def _samples(
    users: UserBatch, n_items: int, seed: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Items, labels and a mask, (n, longest * (1 + NEGATIVES)) each."""
    longest = int(min(users.lengths.max(), LONGEST_HISTORY))
    n = len(users)
    positives = torch.zeros(n, longest, dtype=torch.int64)
    real = torch.zeros(n, longest, dtype=torch.bool)
    negatives = torch.zeros(n, longest, NEGATIVES, dtype=torch.int64)
    allowed = torch.zeros(n, longest, NEGATIVES, dtype=torch.bool)
    generator = torch.Generator()
    for row in range(n):
        whole = torch.from_numpy(users.items[users.indptr[row] : users.indptr[row + 1]])
        recent = whole[-longest:]
        drawn = torch.randint(
            n_items, (len(recent), NEGATIVES), generator=generator.manual_seed(seed)
        )
        positives[row, : len(recent)], real[row, : len(recent)] = recent, True
        negatives[row, : len(recent)] = drawn
        allowed[row, : len(recent)] = ~torch.isin(drawn, whole)
    items = torch.cat([positives, negatives.flatten(1)], dim=1)
    labels = torch.cat([real.float(), torch.zeros(n, longest * NEGATIVES)], dim=1)
    mask = torch.cat([real, allowed.flatten(1)], dim=1)
    return items.to(device), labels.to(device), mask.to(device)
