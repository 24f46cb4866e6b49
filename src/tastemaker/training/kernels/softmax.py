"""The softmax loss over a whole catalog, without the scores of a whole batch in memory.

The plain form computes (m, n_items) scores, their logarithms and the gradients of both, and moves
each through memory several times, which takes more time than the arithmetic. The fused form
computes the scores of some rows at a time, turns them into the loss and the gradients of queries
and keys while they are still in the processor's cache, and discards them.
"""

from typing import Any, cast

import torch
from torch.nn.functional import cross_entropy

SCORES_AT_ONCE = {"cpu": 1 << 19, "cuda": 1 << 26}
"""By device, the number of scores per block: as many as a core's cache holds (2 MiB), or as keep a
GPU busy."""

FEWEST_ROWS = 16
"""Minimum number of rows per block: with fewer, reading the keys takes longer than the products."""


def softmax(
    queries: torch.Tensor,
    keys: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Returns the mean over the rows of -log softmax of the scores at the target (plain form).

    Args:
        queries: (m, d).
        keys: (n_items, d).
        targets: (m,) int64 rows of `keys`.
        weights: (m,) weight of each row's loss, or None for 1 each.
    """
    losses = cross_entropy(queries @ keys.T, targets, reduction="none")
    return losses.mean() if weights is None else (losses * weights).mean()


def fused_softmax(
    queries: torch.Tensor,
    keys: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Returns the same loss as `softmax`; computes the gradients in the forward pass."""
    if weights is None:
        weights = queries.new_ones(len(queries))
    return cast("torch.Tensor", _FusedSoftmax.apply(queries, keys, targets, weights))


class _FusedSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        queries: torch.Tensor,
        keys: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor:
        m, n_items = len(queries), len(keys)
        step = max(FEWEST_ROWS, SCORES_AT_ONCE.get(queries.device.type, 1 << 22) // n_items)
        scores = queries.new_empty(min(step, m), n_items)
        for_queries, for_keys = torch.empty_like(queries), torch.zeros_like(keys)
        loss = queries.new_zeros(())
        for start in range(0, m, step):
            rows = slice(start, start + step)
            some, wanted, counts = queries[rows], targets[rows], weights[rows, None]
            exponentials = torch.mm(some, keys.T, out=scores[: len(some)])
            of_targets = exponentials.gather(1, wanted[:, None])
            highest = exponentials.amax(dim=1, keepdim=True)
            total = exponentials.sub_(highest).exp_().sum(dim=1, keepdim=True)
            loss += ((total.log() + highest - of_targets) * counts).sum()
            # The gradient of the scores is exponentials / total - 1[target]. Dividing the smaller
            # matrix by the total saves one more pass over the larger one.
            torch.mm(exponentials, keys, out=for_queries[rows])
            for_queries[rows].div_(total).sub_(keys[wanted]).mul_(counts)
            for_keys.addmm_(exponentials.T, some * (counts / total))
            for_keys.index_add_(0, wanted, some * counts, alpha=-1)
        context.save_for_backward(for_queries.div_(m), for_keys.div_(m))
        return loss / m

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        for_queries, for_keys = context.saved_tensors
        (of_loss,) = gradients
        return for_queries * of_loss, for_keys * of_loss, None, None
