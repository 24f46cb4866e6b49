"""The softmax loss over a whole catalog, without the scores of a whole batch in memory.

The plain form computes (m, n_items) scores, their logarithms and the gradients of both, and moves
each through memory several times, which takes more time than the arithmetic. The fused form
computes the scores of some rows at a time, turns them into the loss and the gradients of queries
and keys while they are still in the processor's cache, and discards them.
"""

from typing import Any, Literal, cast

import torch

from tastemaker.native import softmax

SCORES_AT_ONCE = {"cpu": 1 << 19, "cuda": 1 << 26}
"""By device, the number of scores per block: as many as a core's cache holds (2 MiB), or as keep a
GPU busy."""

FEWEST_ROWS = 16
"""Minimum number of rows per block: with fewer, reading the keys takes longer than the products."""


Precision = Literal["float32", "bfloat16"]

Results = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""The loss, (), and the gradients of the queries, (m, d), and of the keys, (n_items, d)."""


def fused_softmax(
    queries: torch.Tensor,
    keys: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor | None = None,
    precision: Precision = "float32",
) -> torch.Tensor:
    """Returns the mean over the rows of -log softmax of the scores at the target.

    The gradients are computed in the forward pass.

    Args:
        queries: (m, d).
        keys: (n_items, d).
        targets: (m,) int64 rows of `keys`.
        weights: (m,) weight of each row's loss, or None for 1 each.
        precision: float32 computes in the dtype of the queries. bfloat16 rounds the factors of the
            products to bfloat16 and adds up in float32, which is several times as fast on a
            processor with AMX or AVX512_BF16, and no faster elsewhere.
    """
    if weights is None:
        weights = queries.new_ones(len(queries))
    is_rounded = precision == "bfloat16"
    return cast("torch.Tensor", _FusedSoftmax.apply(queries, keys, targets, weights, is_rounded))


class _FusedSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        queries: torch.Tensor,
        keys: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor,
        is_rounded: bool,
    ) -> torch.Tensor:
        compute = _plain
        if is_rounded:
            has_unit = queries.device.type == "cpu" and bool(softmax.units())
            compute = softmax.loss_and_gradients if has_unit else _plain_of_rounded
        loss, *gradients = compute(queries, keys, targets, weights / len(queries))
        context.save_for_backward(*gradients)
        return loss

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query_gradients, key_gradients = context.saved_tensors
        (loss_gradient,) = gradients
        return query_gradients * loss_gradient, key_gradients * loss_gradient, None, None, None


def _plain(
    queries: torch.Tensor, keys: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
) -> Results:
    """Computes the sum of the weighted losses, and its gradients."""
    m, n_items = len(queries), len(keys)
    step = max(FEWEST_ROWS, SCORES_AT_ONCE.get(queries.device.type, 1 << 22) // n_items)
    scores = queries.new_empty(min(step, m), n_items)
    query_gradients, key_gradients = torch.empty_like(queries), torch.zeros_like(keys)
    loss = queries.new_zeros(())
    for start in range(0, m, step):
        rows = slice(start, start + step)
        block_queries, block_targets = queries[rows], targets[rows]
        block_weights = weights[rows, None]
        exponentials = torch.mm(block_queries, keys.T, out=scores[: len(block_queries)])
        target_scores = exponentials.gather(1, block_targets[:, None])
        highest = exponentials.amax(dim=1, keepdim=True)
        total = exponentials.sub_(highest).exp_().sum(dim=1, keepdim=True)
        loss += ((total.log() + highest - target_scores) * block_weights).sum()
        # The gradient of the scores is exponentials / total - 1[target]. Dividing the smaller
        # matrix by the total saves one more pass over the larger one.
        torch.mm(exponentials, keys, out=query_gradients[rows])
        query_gradients[rows].div_(total).sub_(keys[block_targets]).mul_(block_weights)
        key_gradients.addmm_(exponentials.T, block_queries * (block_weights / total))
        key_gradients.index_add_(0, block_targets, block_queries * block_weights, alpha=-1)
    return loss, query_gradients, key_gradients


def _plain_of_rounded(
    queries: torch.Tensor, keys: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
) -> Results:
    return _plain(_rounded(queries), _rounded(keys), targets, weights)


def _rounded(x: torch.Tensor) -> torch.Tensor:
    return x.bfloat16().float()
