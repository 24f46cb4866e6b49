"""Training on a GPU in recorded steps: one launch instead of one for each small operation.

A step on a batch is dozens of small kernels, and to launch one takes longer than to run it. A CUDA
graph launches them all at once, as they were recorded.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from tastemaker.training.batches import Batch

FIRST_STEPS = 3
"""Steps before the recording, done plainly: they set up what may not be set up within one."""


def recorded(
    work: Callable[[], None], stream: torch.cuda.Stream | None = None
) -> torch.cuda.CUDAGraph:
    """What the work launches; none of it is run."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        work()
    return graph


class GraphedSteps:
    """Steps of Adam on batches, for any loss whose operations do not depend on what is in one."""

    def __init__(self, loss: Callable[[Batch], torch.Tensor], batch_size: int) -> None:
        self._loss, self._batch_size = loss, batch_size
        self._n_plain = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def train(
        self, chunk: Batch, adam: torch.optim.Adam, learning_rates: Sequence[float]
    ) -> torch.Tensor:
        """Implements `Kernel.train`; the optimizer must be the same in each call."""
        if self._n_plain == 0:
            # What a recorded step reads and writes, at addresses that stay.
            self._stream = torch.cuda.Stream()
            self._loss_sum, self._learning_rate = (
                torch.zeros((), device=chunk.users.device) for _ in range(2)
            )
            users, items, weights = next(chunk.split(self._batch_size))
            weights = None if weights is None else weights.clone()
            self._batch = Batch(users.clone(), items.clone(), weights)
        caller = torch.cuda.current_stream()
        self._stream.wait_stream(caller)
        with torch.cuda.stream(self._stream):
            self._loss_sum.zero_()
            for batch, learning_rate in zip(
                chunk.split(self._batch_size), learning_rates, strict=True
            ):
                # Of another size is the last batch of an epoch alone.
                if len(batch.users) == self._batch_size and self._n_plain >= FIRST_STEPS:
                    self._replay(batch, adam, learning_rate)
                else:
                    _set(adam, lr=learning_rate)
                    self._step(batch, adam)
                    self._n_plain += 1
            loss_sum = self._loss_sum.clone()
        caller.wait_stream(self._stream)
        adam.zero_grad()
        return loss_sum

    def finish(self) -> None:
        """Implements `Kernel.finish`; no work is deferred, so there is none to finish."""

    def _replay(self, batch: Batch, adam: torch.optim.Adam, learning_rate: float) -> None:
        if self._graph is None:
            # Only for the recording: a plain step warns of the one, and is slower by the other.
            _set(adam, capturable=True, lr=self._learning_rate)
            self._graph = recorded(lambda: self._step(self._batch, adam), self._stream)
            _set(adam, capturable=False, lr=learning_rate)
        self._learning_rate.fill_(learning_rate)
        for kept, part in zip(self._batch, batch, strict=True):
            if kept is not None and part is not None:
                kept.copy_(part)
        self._graph.replay()

    def _step(self, batch: Batch, adam: torch.optim.Adam) -> None:
        adam.zero_grad()
        loss = self._loss(batch)
        loss.backward()
        adam.step()
        self._loss_sum += loss.detach()


def _set(adam: torch.optim.Adam, **settings: Any) -> None:
    for group in adam.param_groups:
        group.update(settings)
