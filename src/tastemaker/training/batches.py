"""Batches of positives with freshly drawn negatives, made whole on the model's device."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.errors import DataError
from tastemaker.sampling import UnseenItems
from tastemaker.training.epochs import RepeatableEpoch, epoch_generator

SAMPLED_AT_ONCE = 1 << 15
"""Positives whose negatives are drawn in one go: large enough to be vectorised, small enough to
stay in the processor's cache, which makes sampling several times faster than all at once."""


class Batch(NamedTuple):
    """Some positives, each followed by its negatives."""

    users: torch.Tensor
    """(b,) int64 codes."""
    items: torch.Tensor
    """(b, 1 + negatives) int64 codes; column 0 is the positive."""
    weights: torch.Tensor | None
    """(b,) float32, or None where every interaction counts the same."""


class PairBatches:
    """Every positive once an epoch, in random order, with negatives drawn anew.

    What an epoch holds depends on the seed and the epoch's number alone, so that a resumed run sees
    what an unbroken one would have seen.
    """

    def __init__(
        self, dataset: Dataset, *, batch_size: int, negatives: int, seed: int, device: torch.device
    ) -> None:
        self.unseen = UnseenItems(dataset, device)
        users = torch.from_numpy(dataset.users.astype(np.int64)).to(device)
        # Somebody who touched everything has no negatives to be told apart from.
        rows = (self.unseen.counts[users] > 0).nonzero()[:, 0]
        if len(rows) == 0:
            raise DataError(
                f"{dataset.name}: every user touched every item, so there is nothing to tell apart"
            )
        self.users = users[rows]
        self.items = torch.from_numpy(dataset.items.astype(np.int64)).to(device)[rows]
        self.weights = None
        if dataset.weights is not None:
            self.weights = torch.from_numpy(np.array(dataset.weights)).to(device)[rows]
        self.batch_size, self.negatives, self.seed = batch_size, negatives, seed

    def epoch(self, number: int) -> RepeatableEpoch[Batch]:
        """The batches of one epoch, counted from 0."""
        return RepeatableEpoch(len(self.users), self.batch_size, lambda: self._drawn(number))

    def _drawn(self, number: int) -> Iterator[Batch]:
        device = self.users.device
        generator = epoch_generator(self.seed, number, device)
        order = torch.randperm(len(self.users), generator=generator, device=device)
        step = max(1, SAMPLED_AT_ONCE // self.batch_size) * self.batch_size
        for start in range(0, len(order), step):
            rows = order[start : start + step]
            users = self.users[rows]
            negatives = self.unseen.sample(users, self.negatives, generator)
            items = torch.cat([self.items[rows, None], negatives], dim=1)
            weights = None if self.weights is None else self.weights[rows]
            for first in range(0, len(rows), self.batch_size):
                part = slice(first, first + self.batch_size)
                yield Batch(users[part], items[part], None if weights is None else weights[part])
