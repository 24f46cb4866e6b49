"""The rank of a held-out item; a tie counts against the model."""

import torch


def rank_among(target: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """The rank of each row's target among that row's other items.

    An item that scores as high as the target stands above it, and so does one whose score is not a
    number, so that a model which answers the same (or nothing) for everything gains nothing.

    Args:
        target: (n,) scores of the held-out items.
        others: (n, m) scores of the items they are ranked against; -inf for one that does not count.

    Returns:
        (n,) int64 ranks from 1 to m + 1.
    """
    above = ~(others < target[:, None])
    return 1 + (above & (others != -torch.inf)).sum(dim=1)
