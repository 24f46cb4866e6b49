"""Batches of histories in chronological order, packed so that there is little padding."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from tastemaker.data.dataset import Dataset, runs
from tastemaker.data.users import UserBatch
from tastemaker.errors import DataError
from tastemaker.training.batch_part import own_batch_part
from tastemaker.training.epochs import RepeatableEpoch, epoch_generator
from tastemaker.training.relative_weights import relative_weights


class Histories(NamedTuple):
    """Some histories, packed several to a row where they fit.

    A short history alone would waste most of a row; packed rows are nearly full, and fewer. Entries
    of one history must not affect another: `owners` shows which entries belong together.
    """

    items: torch.Tensor
    """(rows, width) int64 codes, each history oldest first; 0 for padding."""
    owners: torch.Tensor
    """(rows, width) int64: position in the batch of the entry's history; -1 for padding."""
    positions: torch.Tensor
    """(rows, width) int64: position of an event among the used events of its history, from 0."""
    gaps: torch.Tensor | None
    """(rows, width) int64 seconds since the previous event, -1 if unknown; None without times."""
    last: torch.Tensor
    """(n,) int64: position of each history's last event in the flattened rows."""
    kinds: torch.Tensor | None = None
    """(rows, width) int64 kinds of the events, -1 for padding; None if they are unknown."""


class SequenceBatch(NamedTuple):
    """Some histories, and for each of their events the item that came next."""

    inputs: Histories
    places: torch.Tensor
    """(m,) int64: positions of the events in the flattened rows, history by history."""
    users: torch.Tensor
    """(m,) int64 user codes."""
    targets: torch.Tensor
    """(m,) int64 codes of the items that came next."""
    negatives: torch.Tensor | None
    """(m, k) int64 codes for each target, or (k,) shared by all targets; None if there are none."""
    weights: torch.Tensor | None
    """(m,) float32 relative weights of the targets (see `relative_weights`), or None for 1 each."""
    loss_fraction: float = 1.0
    """Fraction of the loss of the whole batch, if these histories are the part of one process."""


Draw = Callable[[torch.Tensor, torch.Tensor, torch.Generator], torch.Tensor | None]
"""Returns the negatives of a batch of users (m,) with targets (m,): (m, k), (k,) or None."""


class SequenceBatches:
    """All histories of at least two events, once per epoch, in random order.

    If negatives are drawn from a user's unseen items, users who have interacted with every item are
    left out, since they have none.

    A history of more than `length` + 1 events is divided into as few windows as possible, at places
    that are drawn again in each epoch, so that all its events are learned from. The content of an
    epoch depends only on the seed and the epoch's number, so that a resumed run sees the same
    batches as an uninterrupted one. If several processes train together, each draws the negatives
    of the whole batch and trains on its own part of the windows.
    """

    def __init__(
        self, dataset: Dataset, draw: Draw, *, length: int, batch_size: int, seed: int,
        device: torch.device, draws_unseen_items: bool = False,
    ) -> None:  # fmt: skip
        self.dataset, self.draw, self.length = dataset, draw, length
        self.batch_size, self.seed, self.device = batch_size, seed, device
        self.weights = relative_weights(dataset)
        is_long = dataset.user_counts > 1
        has_all = is_long & (dataset.pairs.user_counts == dataset.n_items)
        users = np.flatnonzero(is_long & ~has_all if draws_unseen_items else is_long)
        self.n_left_out = int(has_all.sum()) if draws_unseen_items else 0
        """Number of users with a sequence, but without an item that could be a negative."""
        if len(users) == 0:
            lacking = ""
            if draws_unseen_items:
                lacking = " and an item left that could be a negative"
            raise DataError(
                f"{dataset.name}: no user has two interactions{lacking}, so there is no sequence "
                "to learn from"
            )
        self._users, self._n_windows = users, -(-(dataset.user_counts[users] - 1) // length)
        self._window_users = np.repeat(users, self._n_windows)

    def epoch(self, number: int) -> RepeatableEpoch[SequenceBatch]:
        """Returns the batches of one epoch, counted from 0."""
        size = len(self._window_users)
        return RepeatableEpoch(size, self.batch_size, lambda: self._draw_batches(number))

    def _draw_batches(self, number: int) -> Iterator[SequenceBatch]:
        draws = np.random.default_rng([self.seed, number])
        order = draws.permutation(len(self._window_users))
        starts, counts = self._windows(draws)
        generator = epoch_generator(self.seed, number, self.device)
        for first in range(0, len(order), self.batch_size):
            rows = order[first : first + self.batch_size]
            yield self.batch(self._window_users[rows], starts[rows], counts[rows], generator)

    def _windows(self, draws: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Divides the histories at random places.

        Returns:
            For each window, (n_windows,) int64: the row of its first event, and the number of its
            events that are followed by another one.
        """
        counts, n_windows = self.dataset.user_counts[self._users] - 1, self._n_windows
        # All windows but the first and the last have `length` events, so that the end of the first
        # one determines the others.
        unfilled = n_windows * self.length - counts
        first_ends = np.where(
            n_windows == 1, counts, self.length - draws.integers(0, unfilled, endpoint=True)
        )
        number = runs(np.zeros_like(n_windows), n_windows)[0]  # 0 is the first window of its user
        ends = np.repeat(first_ends, n_windows) + number * self.length
        starts = np.where(number == 0, 0, ends - self.length)
        ends = np.minimum(ends, np.repeat(counts, n_windows))
        return self.dataset.indptr[self._window_users] + starts, ends - starts

    def batch(
        self, users: np.ndarray, starts: np.ndarray, counts: np.ndarray, generator: torch.Generator
    ) -> SequenceBatch:
        """Returns this process's part of a batch of windows.

        Args:
            users: (n,) the user of each window.
            starts: (n,) the row of each window's first event.
            counts: (n,) its number of events, each followed by another one of the same user.
            generator: draws the negatives.
        """
        data = self.dataset
        rows, indptr = runs(starts, counts)
        owners = torch.from_numpy(np.repeat(users, counts)).to(self.device)
        targets = torch.from_numpy(data.items[rows + 1].astype(np.int64)).to(self.device)
        negatives = self.draw(owners, targets, generator)
        own, loss_fraction = own_batch_part(counts)
        own_targets = slice(int(indptr[own.start]), int(indptr[own.stop]))
        if negatives is not None and negatives.ndim == 2:
            negatives = negatives[own_targets]
        rows, indptr = rows[own_targets], indptr[own.start : own.stop + 1] - indptr[own.start]
        times, kinds = (
            None if column is None else column[rows] for column in (data.timestamps, data.kinds)
        )
        inputs, places = pack(data.items[rows], indptr, self.length, times, self.device, kinds)
        weights = None if self.weights is None else torch.from_numpy(self.weights[rows + 1])
        return SequenceBatch(
            inputs,
            places,
            owners[own_targets],
            targets[own_targets],
            negatives,
            None if weights is None else weights.to(self.device),
            loss_fraction,
        )


def histories_of(users: UserBatch, length: int, device: torch.device) -> Histories:
    """Returns the latest events of some users, each of whom has at least one.

    Args:
        users: the n users.
        length: maximum number of events of each user.
        device: the device of the result.
    """
    counts = np.minimum(users.lengths, length)
    rows, indptr = runs(users.indptr[1:] - counts, counts)
    times, kinds = (
        None if column is None else column[rows] for column in (users.timestamps, users.kinds)
    )
    return pack(users.items[rows], indptr, length, times, device, kinds)[0]


def pack(
    items: np.ndarray,
    indptr: np.ndarray,
    width: int,
    timestamps: np.ndarray | None,
    device: torch.device,
    kinds: np.ndarray | None = None,
) -> tuple[Histories, torch.Tensor]:
    """Packs histories into rows, one after another as long as they fit.

    Args:
        items: (m,) codes of all histories end to end.
        indptr: (n + 1,) where each history begins; none is empty or longer than the width.
        width: number of events in a row; rows are shorter if there are fewer events in total.
        timestamps: (m,) seconds, or None.
        device: the device of the result.
        kinds: (m,) codes of the kinds of the events, or None.

    Returns:
        The histories, and (m,) the position of each of the m events in the flattened rows.
    """
    counts = np.diff(indptr)
    width = min(width, max(int(counts.sum()), 1))
    starts = _next_fit(counts, width)
    owners = np.repeat(np.arange(len(counts)), counts)
    positions = np.arange(len(items)) - indptr[owners]
    places = starts[owners] + positions
    n_rows = -(-int(places[-1] + 1) // width)

    def in_rows(values: np.ndarray, padding: int) -> torch.Tensor:
        rows = np.full(n_rows * width, padding, dtype=np.int64)
        rows[places] = values
        return torch.from_numpy(rows.reshape(n_rows, width)).to(device)

    gaps = None
    if timestamps is not None:
        gaps = in_rows(np.where(positions == 0, -1, np.diff(timestamps, prepend=0)), -1)
    histories = Histories(
        in_rows(items, 0),
        in_rows(owners, -1),
        in_rows(positions, 0),
        gaps,
        torch.from_numpy(starts + counts - 1).to(device),
        None if kinds is None else in_rows(kinds, -1),
    )
    return histories, torch.from_numpy(places).to(device)


def _next_fit(counts: np.ndarray, width: int) -> np.ndarray:
    """Returns where each history begins in the flattened rows: in the current row or the next."""
    starts, filled = [], 0
    for count in counts.tolist():
        free = -filled % width
        if count > free and free:
            filled += free
        starts.append(filled)
        filled += count
    return np.array(starts, dtype=np.int64)
