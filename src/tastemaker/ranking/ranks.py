"""Computes the rank of a held-out item; a tie counts against the model."""

import numpy as np
import torch

from tastemaker.data.dataset import pointers, take_runs
from tastemaker.data.users import UserBatch
from tastemaker.native.library import is_compiled
from tastemaker.native.ranks import count_below

ROWS_AT_ONCE, ITEMS_AT_ONCE = 512, 512
"""Size of a tile of scores: small enough to stay in a core's own cache from the product that
computes it to the count (itself a product with a vector of ones)."""


def rank_among(target: torch.Tensor, others: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Returns the rank of each row's target among that row's other items.

    An item with the same score as the target ranks above it, and so does an item whose score is
    NaN. A model that gives every item the same score, or no score, therefore gains nothing.

    Args:
        target: (n,) scores of the held-out items.
        others: (n, m) scores of the items that they are ranked against.
        counts: (n, m) bool, false for an item that is not ranked (seen, or the target itself).

    Returns:
        (n,) int64 ranks from 1 to m + 1.
    """
    return 1 + (~(others < target[:, None]) & counts).sum(dim=1)


def rank_in_catalog(
    scores: torch.Tensor, excluded: UserBatch, owner: np.ndarray, targets: np.ndarray
) -> torch.Tensor:
    """Returns each target's rank among the items that are not excluded for its user.

    The user's own targets are not ranked against each other.

    The ranks are those of `rank_among` over these items, but if each user has exactly one target,
    the scores are not copied: all items are counted, and then those that are not ranked are
    subtracted.

    Args:
        scores: (n, n_items).
        excluded: the n users with the items that are not ranked (`UserBatch.excluded`).
        owner: (t,) ascending positions of the targets' users in the batch.
        targets: (t,) codes of the held-out items.

    Returns:
        (t,) int64 ranks from 1.
    """
    n_items, device = scores.shape[1], scores.device
    rows, target_items = (torch.from_numpy(codes.astype(np.int64)) for codes in (owner, targets))
    rows, target_items = rows.to(device), target_items.to(device)
    target_scores = scores[rows, target_items]
    one_target_each = len(owner) == len(scores) and bool((owner == np.arange(len(scores))).all())
    # In blocks, since for users with many targets the copies of their rows would fill the memory.
    below = torch.cat(
        [
            # A sum in int32 takes a tenth of the time of one in int64.
            ((scores if one_target_each else scores[part]) < threshold[:, None]).sum(
                1, dtype=torch.int32
            )
            for part, threshold in zip(
                rows.split(len(scores)), target_scores.split(len(scores)), strict=True
            )
        ]
    )
    not_ranked, indptr = _not_ranked(excluded, owner, targets, n_items)
    positions, ends = take_runs(indptr, owner)
    target_of_pair = np.repeat(np.arange(len(owner)), np.diff(ends))
    cells = owner[target_of_pair].astype(np.int64) * n_items + not_ranked[positions]
    pair_rows = torch.from_numpy(target_of_pair).to(device)
    excluded_below = scores.flatten()[torch.from_numpy(cells).to(device)] < target_scores[pair_rows]
    n_below = below - torch.bincount(pair_rows[excluded_below], minlength=len(owner))
    n_counted = n_items - torch.from_numpy(np.diff(ends)).to(device)
    return 1 + n_counted - n_below


@torch.no_grad()
def rank_by_keys(
    keys: torch.Tensor,
    queries: torch.Tensor,
    excluded: UserBatch,
    owner: np.ndarray,
    targets: np.ndarray,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Does the same as `rank_in_catalog` where scores are inner products, but does not store them.

    Each tile of scores is computed, compared and counted while it is in the cache.

    Args:
        keys: (n_items, d) float32.
        queries: (n, d) float32.
        excluded: the n users with the items that are not ranked (`UserBatch.excluded`).
        owner: (t,) ascending positions of the targets' users in the batch.
        targets: (t,) codes of the held-out items.

    Returns:
        (t,) int64 ranks from 1, and (t,) float32 scores of the targets.
    """
    count = count_below if keys.device.type == "cpu" and is_compiled() else _count_below
    not_ranked, indptr = _not_ranked(excluded, owner, targets, len(keys))
    rows, target_items = (torch.from_numpy(codes.astype(np.int64)) for codes in (owner, targets))
    ranks, scores = [], []
    for start in range(0, len(owner), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        positions, ends = map(torch.from_numpy, take_runs(indptr, owner[part]))
        not_ranked_items = torch.from_numpy(not_ranked)[positions]
        below, target_scores = count(
            keys, queries[rows[part]], target_items[part], not_ranked_items, ends
        )
        ranks.append(1 + len(keys) - ends.diff() - below)
        scores.append(target_scores)
    return torch.cat(ranks), torch.cat(scores)


def _count_below(
    keys: torch.Tensor,
    queries: torch.Tensor,
    targets: torch.Tensor,
    not_ranked: torch.Tensor,
    ends: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The plain form of `tastemaker.native.ranks.count_below`.

    On some processors, the rounding of a float32 product depends on the row's position in the tile,
    so one of two tied scores could come out lower. Here products are computed in float64 and
    rounded to float32, so that tied scores are equal.
    """
    columns = queries.T.double().contiguous()
    target_scores = (keys[targets].double() * queries).sum(1).float()
    items, by_item = not_ranked.sort(stable=True)
    rows = torch.repeat_interleave(ends.diff())[by_item]
    below, pair_scores = _below_in_tiles(keys, columns, target_scores, items, rows)
    rows_below = rows[pair_scores < target_scores[rows]]
    return below - torch.bincount(rows_below, minlength=len(targets)), target_scores


def _below_in_tiles(
    keys: torch.Tensor,
    columns: torch.Tensor,
    thresholds: torch.Tensor,
    items: torch.Tensor,
    rows: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Counts the items that score lower than `thresholds`, and returns the scores of some pairs.

    Args:
        keys: (n_items, d) float32.
        columns: (d, r) float64.
        thresholds: (r,) float32, one score for each column.
        items: (m,) ascending item codes of the pairs.
        rows: (m,) column indices of the pairs.

    Returns:
        (r,) int64 counts over all items, and (m,) float32 scores of the pairs.
    """
    n_rows = len(thresholds)
    below, pair_scores = torch.zeros(n_rows), torch.empty(len(items))
    product = torch.empty(ITEMS_AT_ONCE, n_rows, dtype=torch.float64)
    tile, ones = torch.empty(ITEMS_AT_ONCE, n_rows), torch.ones(ITEMS_AT_ONCE)
    positions = items % ITEMS_AT_ONCE * n_rows + rows
    n_pairs = torch.bincount(items // ITEMS_AT_ONCE, minlength=-(-len(keys) // ITEMS_AT_ONCE))
    pairs = n_pairs.tolist()
    parts = zip(
        keys.split(ITEMS_AT_ONCE), positions.split(pairs), pair_scores.split(pairs), strict=True
    )
    for part, position, score in parts:
        n = len(part)
        scores = tile[:n].copy_(torch.mm(part.double(), columns, out=product[:n]))
        torch.index_select(scores.view(-1), 0, position, out=score)
        below.addmv_(scores.lt_(thresholds).T, ones[:n])
    return below.long(), pair_scores


def _not_ranked(
    excluded: UserBatch, owner: np.ndarray, targets: np.ndarray, n_items: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the items excluded for each user and the user's targets, end to end, and pointers.

    Each item occurs once per user.
    """
    excluded_pairs = excluded.rows * n_items + excluded.items
    target_pairs = owner * np.int64(n_items) + targets
    pairs = np.concatenate([excluded_pairs, target_pairs])
    # A sort is several times faster than np.unique, which hashes.
    pairs.sort()
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    return pairs % n_items, pointers(pairs // n_items, len(excluded))
