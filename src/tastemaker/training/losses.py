"""Losses see scores: a positive in column 0, its negatives behind it."""

from collections.abc import Callable

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

Loss = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]
"""(n, 1 + negatives) scores and (n,) weights or None, to a scalar."""


def bce(scores: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Binary cross-entropy with logits: the positive is a 1, every negative a 0.

    Args:
        scores: (n, 1 + negatives) logits.
        weights: (n,) how much each positive and its negatives count, or None for 1 each.

    Returns:
        The mean over all scores.
    """
    labels = torch.zeros_like(scores)
    labels[:, 0] = 1.0
    losses = bce_terms(scores, labels)
    if weights is not None:
        losses = losses * weights[:, None]
    return losses.mean()


def bce_terms(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """-log p of each label (0 or 1) under its logit, without overflow; any shape."""
    return binary_cross_entropy_with_logits(logits, labels, reduction="none")
