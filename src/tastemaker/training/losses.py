"""Losses of scores: a positive in column 0, and its negatives in the columns after it."""

from collections.abc import Callable

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax, logsigmoid

Loss = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]
"""Maps (n, 1 + negatives) scores and (n,) weights or None to a scalar."""

IMPOSSIBLE = -1e9
"""The score of an entry that must not count: it does not affect the loss, and its gradient is 0."""

RowLoss = Callable[[torch.Tensor], torch.Tensor]
"""Maps (n, 1 + negatives) scores to (n,): the loss of each positive with its negatives."""


def bce(scores: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Binary cross-entropy with logits: the positive is a 1, every negative a 0.

    Args:
        scores: (n, 1 + negatives) logits.
        weights: (n,) weight of each positive with its negatives, or None for 1 each.

    Returns:
        The mean over all scores.
    """
    return _mean(bce_rows(scores), weights) / scores.shape[1]


def bce_rows(scores: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy, summed over each row; see `bce`."""
    labels = torch.zeros_like(scores)
    labels[:, 0] = 1.0
    return binary_cross_entropy_with_logits(scores, labels, reduction="none").sum(dim=1)


def gbce(
    scores: torch.Tensor, weights: torch.Tensor | None = None, *, power: float
) -> torch.Tensor:
    """Generalised binary cross-entropy: like `bce`, but the positive's probability to a power.

    With k negatives out of n - 1 items, sampled at the rate α = k / (n - 1), the power is
    β = α (t (1 - 1/α) + 1/α) with a calibration t from 0 (plain bce) to 1. It reduces the
    overconfidence that few negatives cause: Aleksandr Petrov and Craig Macdonald, 2023: gSASRec
    (RecSys), equations 9 and 11.

    Args:
        scores: (n, 1 + negatives) logits.
        weights: (n,) weight of each positive with its negatives, or None for 1 each.
        power: β.

    Returns:
        The mean over all scores.
    """
    positive, negatives = -logsigmoid(scores[:, 0]), -logsigmoid(-scores[:, 1:]).sum(dim=1)
    return _mean(power * positive + negatives, weights) / scores.shape[1]


def bpr(scores: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Bayesian personalised ranking: -log σ(positive - negative) (Rendle et al. 2009).

    The arguments are those of `bce`.

    Returns:
        The mean over all pairs of a positive and one of its negatives.
    """
    return _mean(bpr_rows(scores), weights) / (scores.shape[1] - 1)


def bpr_rows(scores: torch.Tensor) -> torch.Tensor:
    """BPR loss, summed over each row; see `bpr`."""
    return -logsigmoid(scores[:, :1] - scores[:, 1:]).sum(dim=1)


def sampled_softmax(scores: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Sampled softmax loss: -log softmax of the positive among itself and its negatives.

    The arguments are those of `bce`. If the negatives are drawn uniformly, the correction by log Q
    (Bengio and Senécal 2008) is a constant and has no effect, so it is not applied here.

    Returns:
        The mean over the positives.
    """
    return _mean(sampled_softmax_rows(scores), weights)


def sampled_softmax_rows(scores: torch.Tensor) -> torch.Tensor:
    """Sampled softmax loss of each row; see `sampled_softmax`."""
    return -log_softmax(scores, dim=1)[:, 0]


def multinomial(logits: torch.Tensor, histories: torch.Tensor) -> torch.Tensor:
    """Returns -Σ_i x_i log softmax(logits)_i for whole histories x, over the whole catalog.

    It is the negative logarithm of the multinomial likelihood of Liang et al. 2018 (equation 2):
    every touched item is a positive and every other item a negative, and none is drawn.

    Args:
        logits: (n, n_items).
        histories: (n, n_items) weight of each interaction, 0 where there is none.

    Returns:
        (n,) losses, one for each history.
    """
    return -(histories * log_softmax(logits, dim=1)).sum(dim=1)


def _mean(rows: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    return rows.mean() if weights is None else (rows * weights).mean()
