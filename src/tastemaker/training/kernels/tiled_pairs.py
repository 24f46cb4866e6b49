"""Training on pairs of users and items on a GPU: two kernels per step, both written in Triton.

The plain form moves each layer's activations through the GPU's memory and sorts the gradients of
the embeddings, in dozens of small kernels. Here, a batch is divided into tiles whose activations
stay in a multiprocessor's registers, and Adam is one kernel for all parameters. Several steps are
recorded and launched together. On one machine, the same seed gives the same result, bit for bit.
`tiles.py` holds the kernels.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import accumulate
from typing import Any

import torch

from tastemaker.training.batches import Batch
from tastemaker.training.kernels.graphed import recorded
from tastemaker.training.kernels.pairs import LOSSES, PairParts, Penalty

LARGE_TILE, SMALL_TILE, WARPS = 64, 16, 4
"""Positives in a tile if a batch has enough for all multiprocessors, and if it has not; and the
number of warps that work on a tile."""

PROGRAMS_EACH = 4
"""Maximum number of programs per multiprocessor of the GPU."""

PRECISIONS = {"highest": "ieee", "high": "tf32", "medium": "tf32"}
"""Precision of matrix products by torch.get_float32_matmul_precision(), as in PyTorch."""

STEPS_AT_ONCE = 16
"""Maximum number of steps in one launch; steps for which no batch is left do nothing."""

BLOCK = 1024
"""Number of parameter elements that one program of Adam updates."""

WIDEST, LARGEST = 128, 6 << 10
"""Largest product width, and largest number of elements in all of a tower's weights, for which the
registers suffice in a small tile; the limits of a large tile are a half and two thirds of these."""

OLDEST_TRITON = (3, 6)
"""The oldest version of Triton that the kernels were tested with."""

ALIGNED = 16
"""The gradients of each parameter begin at a multiple of this number of elements."""


@cache
def has_triton() -> bool:
    """Returns whether a sufficiently recent Triton is installed."""
    if find_spec("triton") is None:
        return False
    import triton

    return tuple(int(part) for part in triton.__version__.split(".")[:2]) >= OLDEST_TRITON


def supports(parts: PairParts) -> bool:
    """Returns whether the kernels can train the network: with Triton and enough registers."""
    return has_triton() and fits(parts, WIDEST, LARGEST)


def fits(parts: PairParts, widest: int, largest: int) -> bool:
    """Returns whether the product's width and the number of tower weights are within the limits."""
    sizes = [(layer.in_features, layer.out_features) for layer in parts.tower]
    # The two halves of the first layer count as one matrix.
    sizes[:2] = [(2 * inputs, outputs) for inputs, outputs in sizes[:1]]
    n_weights = sum(_padded(inputs) * _padded(outputs) for inputs, outputs in sizes)
    return parts.product <= widest and n_weights <= largest


def _padded(n: int) -> int:
    return max(16, 1 << (n - 1).bit_length())


class TiledPairs:
    """Takes the same steps of Adam on chunks of positives as loss, backward and optimizer would."""

    def __init__(
        self, parts: PairParts, loss: str, penalty: Penalty, batch_size: int, *, lazy: bool
    ) -> None:
        """Takes the network's parts (float32 on a GPU), one of LOSSES, and the batch size.

        With `lazy`, a step does not change rows that have no gradient, nor their moments.
        """
        self._parts, self._loss, self._penalty = parts, loss, penalty
        self._batch_size, self._lazy = batch_size, lazy
        self._gradients: _Gradients | None = None
        self._chunk: _Chunk | None = None

    def train(
        self, chunk: Batch, adam: torch.optim.Adam, learning_rates: Sequence[float]
    ) -> torch.Tensor:
        """Implements `Kernel.train`.

        The optimizer must be the same in each call, and no chunk may be larger than the first.
        """
        if self._chunk is None or self._gradients is None:
            self._gradients = _Gradients(self._parts, adam)
            self._chunk = _Chunk(chunk, len(learning_rates))
            self._compile(adam)
            self._steps_per_launch = min(STEPS_AT_ONCE, len(learning_rates))
            self._graph = recorded(lambda: self._steps(adam))
        self._chunk.load(chunk, adam, learning_rates)
        self._gradients.seen.fill_(-1)
        self._losses.zero_()
        for _ in range(0, len(learning_rates), self._steps_per_launch):
            self._graph.replay()
        torch._foreach_add_([state["step"] for state in adam.state.values()], len(learning_rates))
        return self._losses.sum()

    def finish(self) -> None:
        """Implements `Kernel.finish`; no work is deferred, so there is none to finish."""

    def _compile(self, adam: torch.optim.Adam) -> None:
        """Compiles the kernels with the largest tile that fits; no batch is loaded yet."""
        from triton.runtime.errors import OutOfResources

        n_multiprocessors = torch.cuda.get_device_properties().multi_processor_count
        is_large = self._batch_size >= LARGE_TILE * n_multiprocessors
        if is_large and fits(self._parts, WIDEST // 2, LARGEST * 2 // 3):
            try:
                self._compile_for(LARGE_TILE, n_multiprocessors, adam)
                return
            except OutOfResources:  # on a GPU with less shared memory
                pass
        self._compile_for(SMALL_TILE, n_multiprocessors, adam)

    def _compile_for(self, tile: int, n_multiprocessors: int, adam: torch.optim.Adam) -> None:
        n_programs = min(-(-self._batch_size // tile), PROGRAMS_EACH * n_multiprocessors)
        device = self._penalty.user_penalties.device
        self._losses = torch.zeros(n_programs, dtype=torch.float64, device=device)
        self._tile = tile
        self._step(adam)

    def _steps(self, adam: torch.optim.Adam) -> None:
        for _ in range(self._steps_per_launch):
            self._step(adam)

    def _step(self, adam: torch.optim.Adam) -> None:
        from tastemaker.training.kernels import tiles

        chunk, gradients, parts = self._chunk, self._gradients, self._parts
        assert chunk is not None
        assert gradients is not None
        batch = tiles.Chunk(chunk.users, chunk.items, chunk.weights, chunk.at)
        layers = parts.tower[1:]
        tiles.train_batch[(len(self._losses),)](
            batch,
            tiles.Weights(*gradients.parameters),
            tiles.Weights(*gradients.by_parameter),
            gradients.seen_by_table,
            tiles.PenaltyArguments(*self._penalty),
            self._losses,
            self._batch_size,
            COLUMNS=chunk.items.shape[1],
            LOSS=LOSSES[self._loss],
            USER=parts.users.embedding_dim,
            ITEM=parts.items.embedding_dim,
            PRODUCT=parts.product,
            TOWER=layers[0].in_features if layers else 0,
            WIDTHS=tuple(layer.out_features for layer in layers),
            PENALTY=self._penalty.regularization > 0,
            TILE=self._tile,
            PRECISION=PRECISIONS[torch.get_float32_matmul_precision()],
            num_warps=WARPS,
        )
        group = adam.param_groups[0]
        tiles.adam[(len(gradients.blocks),)](
            gradients.blocks,
            gradients.places,
            gradients.all,
            gradients.seen,
            chunk.at,
            chunk.corrections,
            *group["betas"],
            group["eps"],
            group["weight_decay"],
            self._batch_size,
            LAZY=self._lazy,
            BLOCK=BLOCK,
        )


class _Chunk:
    """A chunk at fixed addresses, with the values that change from batch to batch."""

    def __init__(self, first: Batch, n_batches: int) -> None:
        device = first.users.device
        self.users = torch.empty_like(first.users, dtype=torch.int32)
        self.items = torch.empty_like(first.items, dtype=torch.int32)
        self.weights = None if first.weights is None else torch.empty_like(first.weights)
        self.at = torch.zeros(3, dtype=torch.int32, device=device)
        self.corrections = torch.empty(n_batches, 2, device=device)
        self._numbers = torch.arange(1, n_batches + 1, dtype=torch.float64, device=device)

    def load(self, chunk: Batch, adam: torch.optim.Adam, learning_rates: Sequence[float]) -> None:
        """Copies a chunk and its learning rates, and starts at its first batch."""
        n, n_batches = len(chunk.users), len(learning_rates)
        self.users[:n] = chunk.users
        self.items[:n] = chunk.items
        if self.weights is not None and chunk.weights is not None:
            self.weights[:n] = chunk.weights
        self.at.zero_()[0] = n
        group, state = adam.param_groups[0], next(iter(adam.state.values()))
        steps = state["step"] + self._numbers[:n_batches]
        mean_correction, square_correction = (1 - beta**steps for beta in group["betas"])
        self.corrections[:n_batches, 0] = steps.new_tensor(learning_rates) / mean_correction
        self.corrections[:n_batches, 1] = square_correction.sqrt()


class _Gradients:
    """The gradients of all parameters, and the arguments by which Adam finds each parameter."""

    def __init__(self, parts: PairParts, adam: torch.optim.Adam) -> None:
        self.parameters = _parameters(parts)
        flat = _flat(self.parameters)
        device, tables = (
            flat[0].device,
            [table for table in self.parameters[:3] if table is not None],
        )
        sizes = [-(-parameter.numel() // ALIGNED) * ALIGNED for parameter in flat]
        self.all = torch.zeros(sum(sizes), dtype=torch.int64, device=device)
        """The gradients of all parameters, one after another, in the units of tiles.UNITS."""
        self.by_parameter = _like(self.parameters, iter(self.all.split(sizes)))
        rows = [len(table) for table in tables]
        self.seen = torch.empty(sum(rows), dtype=torch.int32, device=device)
        """For each row of the tables, the start of the last batch in which it had a gradient."""
        self.seen_by_table = _like(self.parameters[:3], iter(self.seen.split(rows)))
        no_table = [-1] * (len(flat) - len(tables))
        starts = [0, *accumulate(sizes[:-1])]
        seen_starts = [0, *accumulate(rows[:-1]), *no_table]
        places = [
            [
                parameter.data_ptr(),
                adam.state[parameter]["exp_avg"].data_ptr(),
                adam.state[parameter]["exp_avg_sq"].data_ptr(),
                start,
                parameter.numel(),
                parameter.shape[-1],
                seen_start,
            ]
            for parameter, start, seen_start in zip(flat, starts, seen_starts, strict=True)
        ]
        blocks = [
            [number, first]
            for number, parameter in enumerate(flat)
            for first in range(0, parameter.numel(), BLOCK)
        ]
        self.places = torch.tensor(places, dtype=torch.int64, device=device)
        self.blocks = torch.tensor(blocks, dtype=torch.int32, device=device)


def _parameters(parts: PairParts) -> tuple[Any, ...]:
    """Returns the network's parameters in the order of tiles.Weights."""
    weights = [(layer.weight, layer.bias) for layer in parts.tower]
    first_layer = (weights[0][0], weights[0][1], weights[1][0]) if weights else (None, None, None)
    more, more_biases = ([pair[i] for pair in weights[2:]] for i in (0, 1))
    output = (parts.output.weight, parts.output.bias) if parts.output else (None, None)
    biases = parts.biases.weight if parts.biases else None
    tables = parts.users.weight, parts.items.weight, biases
    return (*tables, *first_layer, tuple(more), tuple(more_biases), *output)


def _flat(nested: tuple[Any, ...]) -> list[torch.Tensor]:
    """Returns the tensors of nested tuples as a list."""
    parts = (_flat(part) if isinstance(part, tuple) else [part] for part in nested)
    return [tensor for part in parts for tensor in part if tensor is not None]


def _like(nested: tuple[Any, ...], tensors: Iterator[torch.Tensor]) -> tuple[Any, ...]:
    """Returns the tensors in the structure of `nested`, with None in the same places."""
    return tuple(
        _like(part, tensors) if isinstance(part, tuple) else part if part is None else next(tensors)
        for part in nested
    )
