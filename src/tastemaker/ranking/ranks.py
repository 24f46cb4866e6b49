"""The rank of a held-out item; a tie counts against the model."""

import numpy as np
import torch

from tastemaker.data.dataset import pointers, take_runs
from tastemaker.data.users import UserBatch


def rank_among(target: torch.Tensor, others: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """The rank of each row's target among that row's other items.

    An item that scores as high as the target stands above it, and so does one whose score is not a
    number, so that a model which answers the same (or nothing) for everything gains nothing.

    Args:
        target: (n,) scores of the held-out items.
        others: (n, m) scores of the items that they are ranked against.
        counts: (n, m) bool, false for an item that is not ranked (seen, or the target itself).

    Returns:
        (n,) int64 ranks from 1 to m + 1.
    """
    return 1 + (~(others < target[:, None]) & counts).sum(dim=1)


def rank_in_catalog(
    scores: torch.Tensor, users: UserBatch, owner: np.ndarray, targets: np.ndarray
) -> torch.Tensor:
    """The rank of each target among all items that its user neither touched nor has for a target.

    As `rank_among` all items but those, without a copy of the scores where each user has one
    target: everything is counted, and what does not count is taken off again.

    Args:
        scores: (n, n_items).
        users: n of them, with what they touched.
        owner: (t,) ascending positions of the targets' users in the batch.
        targets: (t,) codes of the held-out items.

    Returns:
        (t,) int64 ranks from 1.
    """
    n_items, device = scores.shape[1], scores.device
    rows, of_target = (torch.from_numpy(codes.astype(np.int64)) for codes in (owner, targets))
    rows, of_target = rows.to(device), of_target.to(device)
    wanted = scores[rows, of_target]
    one_each = len(owner) == len(scores) and bool((owner == np.arange(len(scores))).all())
    # In blocks, since users with many targets would fill the memory with copies of their rows.
    below = torch.cat(
        [
            # Counted as int32, which takes a tenth of the time of int64.
            ((scores if one_each else scores[part]) < threshold[:, None]).sum(1, dtype=torch.int32)
            for part, threshold in zip(
                rows.split(len(scores)), wanted.split(len(scores)), strict=True
            )
        ]
    )
    # Everything that does not count for a user, once.
    pairs = np.unique(
        np.concatenate([users.rows * n_items + users.items, owner * np.int64(n_items) + targets])
    )
    indptr = pointers(pairs // n_items, len(users))
    positions, ends = take_runs(indptr, owner)
    excluded = torch.from_numpy(pairs[positions]).to(device)
    of = torch.from_numpy(np.repeat(np.arange(len(owner)), np.diff(ends))).to(device)
    excluded_below = scores.flatten()[excluded] < wanted[of]
    n_below = below - torch.bincount(of[excluded_below], minlength=len(owner))
    n_counted = n_items - torch.from_numpy(np.diff(ends)).to(device)
    return 1 + n_counted - n_below
