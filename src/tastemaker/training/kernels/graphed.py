"""Training on a GPU in recorded steps: one launch per step instead of one per small operation.

A step on a batch consists of dozens of small kernels, each of which takes longer to launch than to
run. A CUDA graph records these launches and replays all of them at once.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from tastemaker.training.batches import Batch

FIRST_STEPS = 3
"""Number of plain steps before the recording; they do the setup that a recording cannot contain."""


def recorded(
    work: Callable[[], None], stream: torch.cuda.Stream | None = None
) -> torch.cuda.CUDAGraph:
    """Records the kernels that `work` launches as a CUDA graph, without running them."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        work()
    return graph


class GraphedSteps:
    """Takes steps of Adam on batches, for losses whose operations do not depend on the data."""

    def __init__(self, loss: Callable[[Batch], torch.Tensor], batch_size: int) -> None:
        self._loss, self._batch_size = loss, batch_size
        self._n_plain = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def train(
        self, chunk: Batch, adam: torch.optim.Adam, learning_rates: Sequence[float]
    ) -> torch.Tensor:
        """Implements `Kernel.train`; the optimizer must be the same in each call."""
        if self._n_plain == 0:
            # The tensors that a recorded step reads and writes must keep their addresses.
            self._stream = torch.cuda.Stream()
            self._loss_sum, self._learning_rate = (
                torch.zeros((), device=chunk.users.device) for _ in range(2)
            )
            first = next(chunk.split(self._batch_size))
            weights = None if first.weights is None else first.weights.clone()
            self._batch = Batch(first.users.clone(), first.items.clone(), weights)
        caller_stream = torch.cuda.current_stream()
        self._stream.wait_stream(caller_stream)
        with torch.cuda.stream(self._stream):
            self._loss_sum.zero_()
            for batch, learning_rate in zip(
                chunk.split(self._batch_size), learning_rates, strict=True
            ):
                # Only the last batch of an epoch can have another size.
                if len(batch.users) == self._batch_size and self._n_plain >= FIRST_STEPS:
                    self._replay(batch, adam, learning_rate)
                else:
                    _set(adam, lr=learning_rate)
                    self._step(batch, adam)
                    self._n_plain += 1
            loss_sum = self._loss_sum.clone()
        caller_stream.wait_stream(self._stream)
        adam.zero_grad()
        return loss_sum

    def finish(self) -> None:
        """Implements `Kernel.finish`; no work is deferred, so there is none to finish."""

    def _replay(self, batch: Batch, adam: torch.optim.Adam, learning_rate: float) -> None:
        if self._graph is None:
            # Set only for the recording: in a plain step, capturable causes a warning, and a
            # learning rate in a tensor makes it slower.
            _set(adam, capturable=True, lr=self._learning_rate)
            self._graph = recorded(lambda: self._step(self._batch, adam), self._stream)
            _set(adam, capturable=False, lr=learning_rate)
        self._learning_rate.fill_(learning_rate)
        self._batch.users.copy_(batch.users)
        self._batch.items.copy_(batch.items)
        if self._batch.weights is not None and batch.weights is not None:
            self._batch.weights.copy_(batch.weights)
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
