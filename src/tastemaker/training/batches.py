"""Batches of positives with newly drawn negatives, made entirely on the model's device."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.errors import DataError
from tastemaker.sampling import UnseenItems
from tastemaker.training.batch_part import own_batch_part
from tastemaker.training.epochs import RepeatableEpoch, epoch_generator
from tastemaker.training.rejections import RejectedItems
from tastemaker.training.relative_weights import relative_weights

SAMPLES_AT_ONCE = {"cpu": 1 << 19, "mps": 1 << 20, "cuda": 1 << 24}
"""By device, the number of positives and negatives that are made at a time: enough to make
Lightning's overhead negligible or to keep a GPU busy, but far from all, which would be slower."""


class Batch(NamedTuple):
    """Some positives, each followed by its negatives."""

    users: torch.Tensor
    """(b,) int64 codes."""
    items: torch.Tensor
    """(b, 1 + negatives) int64 codes; column 0 is the positive."""
    weights: torch.Tensor | None
    """(b,) float32 relative weights (see `relative_weights`), or None for 1 each."""
    loss_fraction: float = 1.0
    """Fraction of the loss of the whole batch, if these positives are the part of one process."""

    def split(self, size: int) -> "Iterator[Batch]":
        """Yields parts of `size` positives; the last part may be smaller."""
        for first in range(0, len(self.users), size):
            yield self._at(slice(first, first + size))

    def own_part(self) -> "Batch":
        """Returns the positives that this process trains on (see `own_batch_part`)."""
        part, loss_fraction = own_batch_part(np.ones(len(self.users)))
        return self._at(part)._replace(loss_fraction=loss_fraction)

    def _at(self, rows: slice) -> "Batch":
        weights = None if self.weights is None else self.weights[rows]
        return Batch(self.users[rows], self.items[rows], weights)


def notes_on_users(n_left_out: int) -> tuple[str, ...]:
    """Returns a note on users who have no item that could be a negative, if there are any."""
    if not n_left_out:
        return ()
    return (
        f"{n_left_out:,} users have interacted with every item and are left out of training, since "
        "the loss draws negatives from a user's other items",
    )


class PairBatches:
    """All positives, once per epoch, in random order, with newly drawn negatives.

    Negatives are items that the user has not touched, and more often those that the user has
    rejected (see `RejectedItems`).

    The content of an epoch depends only on the seed and the epoch's number, so that a resumed run
    sees the same batches as an uninterrupted one. If several processes train together, each draws
    all negatives and trains on its own part of every batch.
    """

    def __init__(
        self, dataset: Dataset, *, batch_size: int, negatives: int, seed: int, device: torch.device
    ) -> None:
        self.unseen = UnseenItems(dataset, device)
        users = torch.from_numpy(dataset.users.astype(np.int64)).to(device)
        # For a user who touched every item, no negatives can be drawn.
        self.n_left_out = int((self.unseen.counts == 0).sum())
        """Number of users without an item that could be a negative."""
        rows = (self.unseen.counts[users] > 0).nonzero()[:, 0]
        if len(rows) == 0:
            raise DataError(
                f"{dataset.name}: every user touched every item, so no negatives can be drawn"
            )
        self.users = users[rows]
        self.items = torch.from_numpy(dataset.items.astype(np.int64)).to(device)[rows]
        self.weights = None
        weights = relative_weights(dataset)
        if weights is not None:
            self.weights = torch.from_numpy(np.array(weights)).to(device)[rows]
        self._rejected = RejectedItems(dataset, device) if dataset.rejected else None
        self.batch_size, self.negatives, self.seed = batch_size, negatives, seed

    def epoch(self, number: int) -> RepeatableEpoch[Batch]:
        """Returns the batches of one epoch, counted from 0."""

        def batches() -> Iterator[Batch]:
            for chunk in self._draw_chunks(number):
                yield from (batch.own_part() for batch in chunk.split(self.batch_size))

        return RepeatableEpoch(len(self.users), self.batch_size, batches)

    def chunks(self) -> "PairChunks":
        """Returns the same batches, many at a time."""
        return PairChunks(self)

    @property
    def chunk_size(self) -> int:
        """Number of positives whose negatives are drawn together, a multiple of the batch size."""
        n_positives = SAMPLES_AT_ONCE[self.users.device.type] // (1 + self.negatives)
        return max(1, n_positives // self.batch_size) * self.batch_size

    def _draw_chunks(self, number: int) -> Iterator[Batch]:
        device = self.users.device
        generator = epoch_generator(self.seed, number, device)
        order = torch.randperm(len(self.users), generator=generator, device=device)
        for rows in order.split(self.chunk_size):
            users = _rows_of(self.users, rows)
            negatives = self.unseen.sample(users, self.negatives, generator)
            if self._rejected is not None:
                self._rejected.replace_some(users, negatives, generator)
            positives = _rows_of(self.items, rows)[:, None]
            if device.type == "cpu":
                pair = np.concatenate([positives.numpy(), negatives.numpy()], axis=1)
                items = torch.from_numpy(pair)
            else:
                items = torch.cat([positives, negatives], dim=1)
            yield Batch(
                users, items, None if self.weights is None else _rows_of(self.weights, rows)
            )


def _rows_of(column: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Returns the given rows of a column; on a CPU, it uses a single thread.

    PyTorch's threads spin after each operation, on cores that a kernel's own threads need. Lowering
    the number of PyTorch's threads for a while does not help, since a thread that starts meanwhile
    keeps the lower number for ever.
    """
    if column.device.type == "cpu":
        return torch.from_numpy(column.numpy()[rows.numpy()])
    return column.index_select(0, rows)


class PairChunks:
    """The batches of PairBatches in chunks, for a kernel that takes many batches in one call."""

    def __init__(self, batches: PairBatches) -> None:
        self._batches = batches

    def epoch(self, number: int) -> RepeatableEpoch[Batch]:
        """Returns the chunks of one epoch, counted from 0."""
        batches = self._batches
        return RepeatableEpoch(
            len(batches.users),
            batches.chunk_size,
            lambda: batches._draw_chunks(number),
            step_size=batches.batch_size,
        )
