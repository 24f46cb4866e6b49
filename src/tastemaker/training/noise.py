"""Separate random numbers for operations that PyTorch draws only from its global generators.

The initialisation of layers, dropout and similar operations take no generator. A `Noise` therefore
sets the state of the global generators inside a block, and restores their own afterwards.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_GLOBAL_STATE_LOCK = threading.RLock()
"""Held while the state of a `Noise` is set, since all threads share the global generators."""

_TRAINING_LOCK = threading.RLock()
"""Held while a network is trained, so that threads that train networks take turns.

The result of training depends on PyTorch's number of threads, which all threads of a process share,
and Lightning's warnings are silenced for all threads at once. A single training uses every core
anyway; to train several networks at the same time, use several processes.
"""


class Noise:
    """A stream of random numbers that depends only on its seed, not on other threads."""

    def __init__(self, seed: int, device: torch.device) -> None:
        """Starts the stream.

        Args:
            seed: the seed of the stream; may be negative.
            device: the device that draws numbers, besides the CPU.
        """
        self._generators = _global_generators(device)
        self._states = [
            torch.Generator(generator.device).manual_seed(seed).get_state()
            for generator in self._generators
        ]

    @contextmanager
    def as_global_state(self) -> Iterator[None]:
        """Makes the global generators continue this stream inside the block."""
        with _GLOBAL_STATE_LOCK:
            previous_states = [generator.get_state() for generator in self._generators]
            self._set(self._states)
            try:
                yield
            finally:
                self._states = [generator.get_state() for generator in self._generators]
                self._set(previous_states)

    def _set(self, states: list[torch.Tensor]) -> None:
        for generator, state in zip(self._generators, states, strict=True):
            generator.set_state(state)


@contextmanager
def no_other_thread_draws() -> Iterator[None]:
    """Waits until no other thread uses a `Noise`, and keeps others from using one in the block."""
    with _GLOBAL_STATE_LOCK:
        yield


@contextmanager
def one_training_at_a_time() -> Iterator[None]:
    """Waits until no other thread trains a network, and keeps others from training in the block."""
    with _TRAINING_LOCK:
        yield


def _global_generators(device: torch.device) -> list[torch.Generator]:
    """Returns the global generators that an operation on the device may draw from."""
    generators = [torch.default_generator]
    if device.type == "cuda":
        torch.cuda.init()
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    if device.type == "mps":
        generators.append(torch.mps._get_default_mps_generator())
    return generators
