"""Batches of whole histories, for networks that learn from one user at a time."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array

from tastemaker.data.dataset import Dataset
from tastemaker.training.batch_part import own_batch_part
from tastemaker.training.epochs import RepeatableEpoch
from tastemaker.training.relative_weights import relative_weights


class HistoryBatch(NamedTuple):
    """Some users with the items that they touched."""

    users: torch.Tensor
    """(b,) int64 codes."""
    histories: torch.Tensor
    """(b, n_items) float32: the relative weight of an interaction (see `relative_weights`), which
    is 1 without weights; 0 where there is none."""
    progress: float
    """Fraction of the whole training that is done before this batch, from 0 to below 1."""
    loss_fraction: float = 1.0
    """Fraction of the loss of the whole batch, if these users are the part of one process."""


class UserBatches:
    """All users with a history, once per epoch, in random order.

    The content of an epoch depends only on the seed and the epoch's number, so that a resumed run
    sees the same batches as an uninterrupted one. If several processes train together, each trains
    on its own part of every batch.
    """

    def __init__(
        self, dataset: Dataset, *, batch_size: int, epochs: int, seed: int, device: torch.device
    ) -> None:
        weights = relative_weights(dataset)
        if weights is None:
            weights = np.ones(len(dataset), dtype=np.float32)
        self.histories = csr_array(
            (weights, dataset.items, dataset.indptr),
            shape=(dataset.n_users, dataset.n_items),
        )
        self.users = np.flatnonzero(dataset.user_counts)
        self._sizes = np.asarray(self.histories.sum(axis=1))
        self.batch_size, self.epochs, self.seed, self.device = batch_size, epochs, seed, device

    def epoch(self, number: int) -> RepeatableEpoch[HistoryBatch]:
        """Returns the batches of one epoch, counted from 0."""
        return RepeatableEpoch(len(self.users), self.batch_size, lambda: self._draw_batches(number))

    def _draw_batches(self, number: int) -> Iterator[HistoryBatch]:
        order = np.random.default_rng([self.seed, number]).permutation(self.users)
        n_batches = len(self.epoch(number))
        first, n_steps = number * n_batches, self.epochs * n_batches
        for batch in range(n_batches):
            codes = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            own, loss_fraction = own_batch_part(self._sizes[codes])
            users = torch.from_numpy(codes[own]).to(self.device)
            histories = torch.from_numpy(self.histories[codes[own]].toarray()).to(self.device)
            yield HistoryBatch(users, histories, (first + batch) / n_steps, loss_fraction)
