"""Random numbers of a training's own, where PyTorch takes them from its global generators alone.

The first weights of layers, dropout and its like take no generator. A `Noise` therefore lends its
random state to the global generators for the time of a block, and puts theirs back afterwards.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_LENDING = threading.RLock()
"""Held while a state is lent, since all threads of a process share the global generators."""

_TRAINING = threading.RLock()
"""Held while a network is trained, so that threads that train networks take turns.

What training gives depends on the number of PyTorch's threads, which is one for all threads of a
process, and Lightning's warnings are silenced for all of them at once. A training alone uses every
core anyway; several at the same time are for several processes.
"""


class Noise:
    """One stream of random numbers: a seed gives the same ones, whatever other threads do."""

    def __init__(self, seed: int, device: torch.device) -> None:
        """Begins the stream.

        Args:
            seed: of the numbers; may be negative.
            device: which draws them, besides the CPU.
        """
        self._generators = _global_generators(device)
        self._states = [
            torch.Generator(generator.device).manual_seed(seed).get_state()
            for generator in self._generators
        ]

    @contextmanager
    def lent(self) -> Iterator[None]:
        """What draws from the global generators inside the block goes on with this stream."""
        with _LENDING:
            before = [generator.get_state() for generator in self._generators]
            self._set(self._states)
            try:
                yield
            finally:
                self._states = [generator.get_state() for generator in self._generators]
                self._set(before)

    def _set(self, states: list[torch.Tensor]) -> None:
        for generator, state in zip(self._generators, states, strict=True):
            generator.set_state(state)


@contextmanager
def nobody_else_draws() -> Iterator[None]:
    """Waits until no other thread draws from a stream of its own, and lets none begin."""
    with _LENDING:
        yield


@contextmanager
def one_training_at_a_time() -> Iterator[None]:
    """Waits until no other thread trains a network."""
    with _TRAINING:
        yield


def _global_generators(device: torch.device) -> list[torch.Generator]:
    """Those that an operation on the device may draw from."""
    generators = [torch.default_generator]
    if device.type == "cuda":
        torch.cuda.init()
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    if device.type == "mps":
        generators.append(torch.mps._get_default_mps_generator())
    return generators
