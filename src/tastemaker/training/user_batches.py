"""Batches of whole histories, for networks that learn a user at a time."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array

from tastemaker.data.dataset import Dataset


class HistoryBatch(NamedTuple):
    """Some users by what they touched."""

    users: torch.Tensor
    """(b,) int64 codes."""
    histories: torch.Tensor
    """(b, n_items) float32: what an interaction counts (1 without weights), else 0."""
    progress: float
    """Share of the whole training that lies before this batch: from 0 to below 1."""


class UserBatches:
    """Everybody with a history once an epoch, in random order.

    What an epoch holds depends on the seed and the epoch's number alone, so that a resumed run sees
    what an unbroken one would have seen.
    """

    def __init__(
        self, dataset: Dataset, *, batch_size: int, epochs: int, seed: int, device: torch.device
    ) -> None:
        counts = dataset.weights if dataset.weights is not None else np.ones(len(dataset))
        self.histories = csr_array(
            (counts.astype(np.float32), dataset.items, dataset.indptr),
            shape=(dataset.n_users, dataset.n_items),
        )
        self.users = np.flatnonzero(dataset.user_counts)
        self.batch_size, self.epochs, self.seed, self.device = batch_size, epochs, seed, device

    def epoch(self, number: int) -> "UserEpoch":
        """The batches of one epoch, counted from 0."""
        return UserEpoch(self, number)


class UserEpoch:
    """The batches of one epoch; iterating twice gives the same ones."""

    def __init__(self, source: UserBatches, number: int) -> None:
        self._source, self._number = source, number

    def __len__(self) -> int:
        return -(-len(self._source.users) // self._source.batch_size)

    def __iter__(self) -> Iterator[HistoryBatch]:
        source = self._source
        order = np.random.default_rng([source.seed, self._number]).permutation(source.users)
        first, n_steps = self._number * len(self), source.epochs * len(self)
        for batch in range(len(self)):
            codes = order[batch * source.batch_size : (batch + 1) * source.batch_size]
            users = torch.from_numpy(codes).to(source.device)
            histories = torch.from_numpy(source.histories[codes].toarray()).to(source.device)
            yield HistoryBatch(users, histories, (first + batch) / n_steps)
