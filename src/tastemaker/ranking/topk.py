"""The best k of each row, with ties broken by code so that one score gives one list."""

import torch


def top_k(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The k best items of each row, best first; equal scores in the order of the codes.

    Args:
        scores: (n, n_items); -inf for an item that may not be recommended.
        k: at most so many.

    Returns:
        (n, k') int64 codes, (n, k') scores and (n,) int64 lengths, with k' = min(k, n_items).
        Entries past a row's length are items that may not be recommended: drop them.
    """
    k = min(k, scores.shape[1])
    values, items = scores.topk(k, dim=1)
    # topk breaks ties as it likes; where the tie crosses the cut, a stable sort decides.
    last = values[:, -1:]
    crosses = ((scores == last).sum(1) > (values == last).sum(1)) & last[:, 0].isfinite()
    if crosses.any():
        items[crosses] = scores[crosses].argsort(dim=1, descending=True, stable=True)[:, :k]
    items = items.sort(dim=1).values
    values = scores.gather(1, items)
    order = values.argsort(dim=1, descending=True, stable=True)
    values = values.gather(1, order)
    return items.gather(1, order), values, (values > -torch.inf).sum(dim=1)
