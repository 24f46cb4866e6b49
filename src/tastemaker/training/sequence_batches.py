"""Batches of histories in their order, packed so that a batch is hardly padded."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from tastemaker.data.dataset import Dataset, runs
from tastemaker.data.users import UserBatch
from tastemaker.errors import DataError
from tastemaker.training.epochs import RepeatableEpoch, epoch_generator


class Histories(NamedTuple):
    """Some histories, several of them in one row where they fit.

    A short history wastes most of a row; packed, rows are nearly full and there are fewer of them.
    Nothing may look from one history into another: `owners` says which entries belong together.
    """

    items: torch.Tensor
    """(rows, width) int64 codes, each history oldest first; 0 where there is only filling."""
    owners: torch.Tensor
    """(rows, width) int64: the position in the batch of the history it belongs to; -1: filling."""
    positions: torch.Tensor
    """(rows, width) int64: how many of the events that are read of the history come before."""
    gaps: torch.Tensor | None
    """(rows, width) int64 seconds since the event before, -1 where unknown; None without times."""
    last: torch.Tensor
    """(n,) int64: where in the flattened rows each history ends."""


class SequenceBatch(NamedTuple):
    """Some histories, and for each of their events the one that came next."""

    inputs: Histories
    places: torch.Tensor
    """(m,) int64: where in the flattened rows the real events are, history by history."""
    users: torch.Tensor
    """(m,) int64 user codes."""
    targets: torch.Tensor
    """(m,) int64 codes of the items that came next."""
    negatives: torch.Tensor | None
    """(m, k) int64 codes for each target, or (k,) for all together; None where none are drawn."""
    weights: torch.Tensor | None
    """(m,) float32 how much each target counts, or None for 1 each."""


Draw = Callable[[torch.Tensor, torch.Generator], torch.Tensor | None]
"""Negatives for the targets of users (m,)."""


class SequenceBatches:
    """Every history of two events or more once an epoch, in random order.

    Of a longer history the latest `length` events are taken, and one more as the last target. What
    an epoch holds depends on the seed and the epoch's number alone, so that a resumed run sees what
    an unbroken one would have seen.
    """

    def __init__(
        self, dataset: Dataset, draw: Draw, *, length: int, batch_size: int, seed: int,
        device: torch.device,
    ) -> None:  # fmt: skip
        self.dataset, self.draw, self.length = dataset, draw, length
        self.batch_size, self.seed, self.device = batch_size, seed, device
        counts = dataset.user_counts
        # Somebody who touched everything has no negatives to be told apart from.
        self.users = np.flatnonzero((counts > 1) & (counts < dataset.n_items))
        if len(self.users) == 0:
            raise DataError(
                f"{dataset.name}: nobody has two interactions and something left to be "
                "recommended, so there is no order to learn from"
            )

    def epoch(self, number: int) -> RepeatableEpoch[SequenceBatch]:
        """The batches of one epoch, counted from 0."""
        return RepeatableEpoch(len(self.users), self.batch_size, lambda: self._drawn(number))

    def _drawn(self, number: int) -> Iterator[SequenceBatch]:
        order = np.random.default_rng([self.seed, number]).permutation(self.users)
        generator = epoch_generator(self.seed, number, self.device)
        for start in range(0, len(order), self.batch_size):
            yield self.batch(order[start : start + self.batch_size], generator)

    def batch(self, users: np.ndarray, generator: torch.Generator) -> SequenceBatch:
        """The batch of some users by code, each of whom has two events or more."""
        data = self.dataset
        ends = data.indptr[users + 1] - 1
        counts = np.minimum(data.user_counts[users] - 1, self.length)
        rows, indptr = runs(ends - counts, counts)
        times = None if data.timestamps is None else data.timestamps[rows]
        inputs, places = pack(data.items[rows], indptr, self.length, times, self.device)
        weights = None if data.weights is None else torch.from_numpy(data.weights[rows + 1])
        owners = torch.from_numpy(np.repeat(users, counts)).to(self.device)
        return SequenceBatch(
            inputs,
            places,
            owners,
            torch.from_numpy(data.items[rows + 1].astype(np.int64)).to(self.device),
            self.draw(owners, generator),
            None if weights is None else weights.to(self.device),
        )


def histories_of(users: UserBatch, length: int, device: torch.device) -> Histories:
    """The latest events of some users, each of whom has one.

    Args:
        users: n of them.
        length: how many events of each at most.
        device: where to.
    """
    counts = np.minimum(users.lengths, length)
    rows, indptr = runs(users.indptr[1:] - counts, counts)
    times = None if users.timestamps is None else users.timestamps[rows]
    return pack(users.items[rows], indptr, length, times, device)[0]


def pack(
    items: np.ndarray,
    indptr: np.ndarray,
    width: int,
    timestamps: np.ndarray | None,
    device: torch.device,
) -> tuple[Histories, torch.Tensor]:
    """Lays histories into rows, one after another as long as they fit.

    Args:
        items: (m,) codes of all histories end to end.
        indptr: (n + 1,) where each begins; none is longer than the width, none is empty.
        width: events in a row, if the longest history needs so many.
        timestamps: (m,) seconds, or None.
        device: where to.

    Returns:
        The histories, and (m,) where in the flattened rows each of the m events lies.
    """
    counts = np.diff(indptr)
    width = min(width, max(int(counts.sum()), 1))
    starts = _next_fit(counts, width)
    owners = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(len(items)) - indptr[owners]
    places = starts[owners] + nth
    n_rows = -(-int(places[-1] + 1) // width)

    def laid(values: np.ndarray, filling: int) -> torch.Tensor:
        rows = np.full(n_rows * width, filling, dtype=np.int64)
        rows[places] = values
        return torch.from_numpy(rows.reshape(n_rows, width)).to(device)

    gaps = None
    if timestamps is not None:
        gaps = laid(np.where(nth == 0, -1, np.diff(timestamps, prepend=0)), -1)
    histories = Histories(
        laid(items, 0),
        laid(owners, -1),
        laid(nth, 0),
        gaps,
        torch.from_numpy(starts + counts - 1).to(device),
    )
    return histories, torch.from_numpy(places).to(device)


def _next_fit(counts: np.ndarray, width: int) -> np.ndarray:
    """Where in the flattened rows each history begins: in the current row, or in the next."""
    starts, filled = [], 0
    for count in counts.tolist():
        left = -filled % width
        if count > left and left:
            filled += left
        starts.append(filled)
        filled += count
    return np.array(starts, dtype=np.int64)
