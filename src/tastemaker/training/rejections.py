"""Negatives among the items that a user has rejected, which say more than items drawn at random."""

import numpy as np
import torch

from tastemaker.data.dataset import Dataset

MAX_FRACTION = 0.5
"""Largest fraction of a user's negatives that are rejected items; the others still tell the user's
taste from all the items that the user has not seen."""


class RejectedItems:
    """The rejected items of each user, as negatives.

    With p positives and r rejected items of a user, a negative is one of the rejected items with
    the probability r / (p + r), at most MAX_FRACTION. With k negatives for each positive, each
    rejected item is then drawn up to k times in an epoch on average. Users who rejected nothing are
    unaffected.
    """

    def __init__(self, dataset: Dataset, device: torch.device) -> None:
        """Takes the rejected items of data in which at least one user has rejected an item."""
        rejected = dataset.rejected
        assert rejected is not None, "the data have no rejected items"
        counts = np.bincount(rejected.users, minlength=dataset.n_users)
        fractions = counts / np.maximum(counts + dataset.user_counts, 1)
        self._items = torch.from_numpy(rejected.items.astype(np.int64)).to(device)
        self._starts = torch.from_numpy(np.cumsum(counts) - counts).to(device)
        self._counts = torch.from_numpy(counts).to(device)
        self._fractions = torch.from_numpy(np.minimum(fractions, MAX_FRACTION)).float().to(device)

    def replace_some(
        self, users: torch.Tensor, negatives: torch.Tensor, generator: torch.Generator
    ) -> None:
        """Puts rejected items in place of some negatives.

        Args:
            users: (b,) int64 codes.
            negatives: (b, n) int64 item codes, which are changed in place.
            generator: on the device of the codes.
        """
        drawn = torch.rand(negatives.shape, generator=generator, device=negatives.device)
        rows, columns = (drawn < self._fractions[users][:, None]).nonzero(as_tuple=True)
        owners = users[rows]
        uniform = torch.rand(len(rows), generator=generator, device=negatives.device)
        nth = (uniform * self._counts[owners]).long()
        negatives[rows, columns] = self._items[self._starts[owners] + nth]
