"""Epochs: their content depends only on the seed and their number, also in a resumed run."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

import torch

Batch = TypeVar("Batch")


class Epoch(Protocol):
    """The batches of one epoch; iterating twice gives the same batches."""

    @property
    def n_steps(self) -> int:
        """Number of optimizer steps: one per batch, or more if a batch is a chunk of batches."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


class Batches(Protocol):
    """The training batches of a network, by epoch."""

    def epoch(self, number: int) -> Epoch:
        """Returns the batches of an epoch, counted from 0; the same number gives the same ones."""


class RepeatableEpoch(Generic[Batch]):
    """The batches of one epoch; iterating twice gives the same batches."""

    def __init__(
        self,
        size: int,
        batch_size: int,
        draw: Callable[[], Iterator[Batch]],
        step_size: int | None = None,
    ) -> None:
        """Describes an epoch.

        Args:
            size: number of examples in the epoch.
            batch_size: number of examples in a batch.
            draw: draws the batches, the same ones in each call.
            step_size: number of examples in a step, if a batch is a chunk for several steps.
        """
        self._n_batches, self._draw = -(-size // batch_size), draw
        self.n_steps = -(-size // (step_size or batch_size))

    def __len__(self) -> int:
        return self._n_batches

    def __iter__(self) -> Iterator[Batch]:
        return self._draw()


def epoch_seed(seed: int, number: int) -> int:
    """Returns the seed of an epoch; the multiplier keeps the epochs of different seeds apart."""
    return seed * 1_000_003 + number


def noise_seed(seed: int, number: int, rank: int) -> int:
    """Returns the seed of the dropout of an epoch in one of the processes that train together.

    It is negative, since the batches use the seeds from 0 on. PyTorch uses only the lowest 32 bits
    of a seed; the multiplier, the golden ratio of 2^32, keeps those of many ranks far apart.
    """
    return -1 - epoch_seed(seed, number) - rank * 2_654_435_769


def epoch_generator(seed: int, number: int, device: torch.device) -> torch.Generator:
    """Returns the random generator of one epoch, counted from 0."""
    return torch.Generator(device).manual_seed(epoch_seed(seed, number))
