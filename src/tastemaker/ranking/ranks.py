"""The rank of a held-out item; a tie counts against the model."""

import torch


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
