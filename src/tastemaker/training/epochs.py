"""Epochs: the seed and their number alone decide what they hold, in a resumed run too."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

import torch

Batch = TypeVar("Batch")


class Epoch(Protocol):
    """The batches of one epoch; iterating twice gives the same ones."""

    @property
    def n_steps(self) -> int:
        """Steps of the optimizer: as many as batches, or more where a batch is a chunk of them."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


class Batches(Protocol):
    """What a network learns from."""

    def epoch(self, number: int) -> Epoch:
        """The batches of one epoch, counted from 0; the number alone decides what they hold."""


class RepeatableEpoch(Generic[Batch]):
    """The batches of one epoch; iterating twice gives the same ones."""

    def __init__(
        self,
        size: int,
        batch_size: int,
        draw: Callable[[], Iterator[Batch]],
        step_size: int | None = None,
    ) -> None:
        """Takes how many things an epoch and a batch hold, and what draws the batches anew.

        Where a batch is a chunk for several steps, also how many things a step is on.
        """
        self._n_batches, self._draw = -(-size // batch_size), draw
        self.n_steps = -(-size // (step_size or batch_size))

    def __len__(self) -> int:
        return self._n_batches

    def __iter__(self) -> Iterator[Batch]:
        return self._draw()


def epoch_seed(seed: int, number: int) -> int:
    """The seed of an epoch: an odd multiplier keeps neighbouring seeds' from being each other's."""
    return seed * 1_000_003 + number


def epoch_generator(seed: int, number: int, device: torch.device) -> torch.Generator:
    """The randomness of one epoch, counted from 0."""
    return torch.Generator(device).manual_seed(epoch_seed(seed, number))
