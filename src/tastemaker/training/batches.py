"""Batches of positives with freshly drawn negatives, made whole on the model's device."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.errors import DataError
from tastemaker.sampling import UnseenItems
from tastemaker.training.epochs import RepeatableEpoch, epoch_generator

SAMPLES_AT_ONCE = {"cpu": 1 << 19, "mps": 1 << 20, "cuda": 1 << 24}
"""By device, positives and negatives that are put together in one go: enough for Lightning's work
around a step not to matter, or to fill a GPU, but far from all, which would be slower to make."""


class Batch(NamedTuple):
    """Some positives, each followed by its negatives."""

    users: torch.Tensor
    """(b,) int64 codes."""
    items: torch.Tensor
    """(b, 1 + negatives) int64 codes; column 0 is the positive."""
    weights: torch.Tensor | None
    """(b,) float32, or None where every interaction counts the same."""

    def split(self, size: int) -> "Iterator[Batch]":
        """Parts of so many positives; the last may be smaller."""
        for first in range(0, len(self.users), size):
            part = slice(first, first + size)
            weights = None if self.weights is None else self.weights[part]
            yield Batch(self.users[part], self.items[part], weights)


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

        def batches() -> Iterator[Batch]:
            for chunk in self._drawn(number):
                yield from chunk.split(self.batch_size)

        return RepeatableEpoch(len(self.users), self.batch_size, batches)

    def chunks(self) -> "PairChunks":
        """The same batches, many at a time."""
        return PairChunks(self)

    @property
    def chunk_size(self) -> int:
        """Positives whose negatives are drawn in one go: a whole number of batches."""
        at_once = SAMPLES_AT_ONCE[self.users.device.type] // (1 + self.negatives)
        return max(1, at_once // self.batch_size) * self.batch_size

    def _drawn(self, number: int) -> Iterator[Batch]:
        device = self.users.device
        generator = epoch_generator(self.seed, number, device)
        order = torch.randperm(len(self.users), generator=generator, device=device)
        for rows in order.split(self.chunk_size):
            users = _taken(self.users, rows)
            negatives = self.unseen.sample(users, self.negatives, generator)
            positives = _taken(self.items, rows)[:, None]
            if device.type == "cpu":
                pair = np.concatenate([positives.numpy(), negatives.numpy()], axis=1)
                items = torch.from_numpy(pair)
            else:
                items = torch.cat([positives, negatives], dim=1)
            yield Batch(users, items, None if self.weights is None else _taken(self.weights, rows))


def _taken(column: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """The rows of a column, on a CPU by one thread.

    PyTorch's threads wait actively after each operation, and a kernel's own need those cores. Fewer
    of them for a while would not do: a thread that is new meanwhile keeps their number for ever.
    """
    if column.device.type == "cpu":
        return torch.from_numpy(column.numpy()[rows.numpy()])
    return column.index_select(0, rows)


class PairChunks:
    """PairBatches by the chunk, for a kernel that goes through the batches by itself."""

    def __init__(self, batches: PairBatches) -> None:
        self._batches = batches

    def epoch(self, number: int) -> RepeatableEpoch[Batch]:
        """The chunks of one epoch, counted from 0."""
        batches = self._batches
        return RepeatableEpoch(
            len(batches.users),
            batches.chunk_size,
            lambda: batches._drawn(number),
            step_size=batches.batch_size,
        )
