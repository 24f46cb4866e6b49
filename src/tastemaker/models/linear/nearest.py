"""Finds the nearest items of each item, where vectors are sparse."""

import torch
from scipy.sparse import csr_matrix

from tastemaker.native import neighbours
from tastemaker.native.library import is_compiled
from tastemaker.progress import Meter, OnProgress
from tastemaker.ranking.topk import top_k

BLOCKS = 20
"""Number of parts of the compiled form's work, after each of which progress is reported."""

SIMILARITIES_AT_ONCE = 1 << 22
"""Largest number of similarities in the memory of the plain form at a time (32 MiB)."""


def nearest_items(
    vectors: csr_matrix, items: slice, k: int, on_progress: OnProgress | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Finds the k items with the largest inner products with each of some items.

    Items without a common user are no neighbours, and neither is an item of itself.

    Args:
        vectors: (n_items, n_users) float64.
        items: codes of the items to compare with all.
        k: at least 1.
        on_progress: receives the number of items compared.

    Returns:
        (n, width) int32 codes, best first and equal ones by code, and (n, width) float32 inner
        products, with a width of min(k, n_items). Inner products below 0 count as 0. An item with
        fewer neighbours has 0 in place of the other inner products, and any other codes there.
    """
    n_items = vectors.shape[0]
    width, by_user = min(k, n_items), vectors.T.tocsr()
    meter = Meter(on_progress, "comparing items", items.stop - items.start)
    find = neighbours.nearest if is_compiled() else plain_nearest
    step = max(1, n_items // BLOCKS if is_compiled() else SIMILARITIES_AT_ONCE // n_items)
    found = [
        (torch.empty(0, width, dtype=torch.int32), torch.empty(0, width))  # without any items
    ]
    for start in range(items.start, items.stop, step):
        block = range(start, min(start + step, items.stop))
        found.append(find(vectors, by_user, block, width))
        meter.advance(len(block))
    codes, values = map(torch.cat, zip(*found, strict=True))
    return codes, values.clamp_(min=0)


def plain_nearest(
    by_item: csr_matrix, by_user: csr_matrix, items: range, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Does the same as `native.neighbours.nearest`, with a dense block of all inner products.

    The inner products in place of missing neighbours are -inf.
    """
    block = torch.from_numpy((by_item[items.start : items.stop] @ by_user).toarray())
    rows = torch.arange(len(block))
    block[rows, rows + items.start] = 0.0
    # Items without a common user are no neighbours; masked, their many ties need no breaking.
    codes, values, _ = top_k(block.masked_fill_(block == 0, -torch.inf), k)
    return codes.int(), values.float()
