"""Training on pairs of users and items on a GPU: two kernels a step, both written in Triton.

The plain form moves each layer's activations through the GPU's memory and sorts the gradients of
the embeddings, in dozens of small kernels. Here a batch is cut into tiles whose activations stay in
a multiprocessor's registers, and Adam is one kernel for all parameters; some steps at a time are
recorded and launched at once. One seed gives one result on one machine, to the last bit. `tiles.py`
holds the kernels.
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
"""Positives in a tile where a batch has enough of them for all multiprocessors, and where not; and
warps that share the work on one."""

PROGRAMS_EACH = 4
"""Programs for each multiprocessor of the GPU."""

PRECISIONS = {"highest": "ieee", "high": "tf32", "medium": "tf32"}
"""By torch.get_float32_matmul_precision(): how exact products of matrices are, as in PyTorch."""

STEPS_AT_ONCE = 16
"""Steps in one launch; those that find no batch left do nothing."""

BLOCK = 1024
"""Numbers that one program of Adam moves."""

WIDEST, LARGEST = 128, 6 << 10
"""Numbers in a product, and in all of a tower's weights, that leave registers for the rest: in a
small tile, and a half and two thirds of that in a large one."""

OLDEST = (3, 6)
"""The oldest Triton that the kernels were tried with."""

ALIGNED = 16
"""Gradients of a parameter begin at a multiple of so many."""


@cache
def has_triton() -> bool:
    """Whether there is a Triton that is new enough."""
    if find_spec("triton") is None:
        return False
    import triton

    return tuple(int(part) for part in triton.__version__.split(".")[:2]) >= OLDEST


def serves(parts: PairParts) -> bool:
    """Whether there is a kernel for the network: a Triton, and room in the GPU's registers."""
    return has_triton() and fits(parts, WIDEST, LARGEST)


def fits(parts: PairParts, widest: int, largest: int) -> bool:
    """Whether the product is no wider, and the tower's weights are no more numbers."""
    sizes = [(layer.in_features, layer.out_features) for layer in parts.tower]
    # Both halves of the first layer are one matrix.
    sizes[:2] = [(2 * into, out) for into, out in sizes[:1]]
    numbers = sum(_padded(into) * _padded(out) for into, out in sizes)
    return parts.product <= widest and numbers <= largest


def _padded(n: int) -> int:
    return max(16, 1 << (n - 1).bit_length())


class TiledPairs:
    """Steps of Adam on chunks of positives, as loss, backward and optimizer would do them."""

    def __init__(
        self, parts: PairParts, loss: str, penalty: Penalty, batch_size: int, *, lazy: bool
    ) -> None:
        """Takes the network's parts, float32 on a GPU, one of LOSSES, and the batches' size.

        With `lazy`, a step leaves the rows that have no gradient as they are, moments and all.
        """
        self._parts, self._loss, self._penalty = parts, loss, penalty
        self._batch_size, self._lazy = batch_size, lazy
        self._gradients: _Gradients | None = None
        self._chunk: _Chunk | None = None

    def train(
        self, chunk: Batch, adam: torch.optim.Adam, learning_rates: Sequence[float]
    ) -> torch.Tensor:
        """Implements `Kernel.train`.

        The optimizer must be the same in each call, and no chunk larger than the first.
        """
        if self._chunk is None or self._gradients is None:
            self._gradients = _Gradients(self._parts, adam)
            self._chunk = _Chunk(chunk, len(learning_rates))
            self._compile(adam)
            self._at_once = min(STEPS_AT_ONCE, len(learning_rates))
            self._graph = recorded(lambda: self._steps(adam))
        self._chunk.load(chunk, adam, learning_rates)
        self._gradients.seen.fill_(-1)
        self._losses.zero_()
        for _ in range(0, len(learning_rates), self._at_once):
            self._graph.replay()
        torch._foreach_add_([state["step"] for state in adam.state.values()], len(learning_rates))
        return self._losses.sum()

    def finish(self) -> None:
        """Implements `Kernel.finish`; no work is deferred, so there is none to finish."""

    def _compile(self, adam: torch.optim.Adam) -> None:
        """Finds the largest tile that there is room for; there are no batches yet to step on."""
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
        device = self._penalty.user_shares.device
        self._losses = torch.zeros(n_programs, dtype=torch.float64, device=device)
        self._tile = tile
        self._step(adam)

    def _steps(self, adam: torch.optim.Adam) -> None:
        for _ in range(self._at_once):
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
            tiles.Weights(*gradients.of_parameters),
            gradients.seen_of_tables,
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
    """A chunk at addresses that stay, and what changes from batch to batch."""

    def __init__(self, first: Batch, n_batches: int) -> None:
        device = first.users.device
        self.users = torch.empty_like(first.users, dtype=torch.int32)
        self.items = torch.empty_like(first.items, dtype=torch.int32)
        self.weights = None if first.weights is None else torch.empty_like(first.weights)
        self.at = torch.zeros(3, dtype=torch.int32, device=device)
        self.corrections = torch.empty(n_batches, 2, device=device)
        self._numbers = torch.arange(1, n_batches + 1, dtype=torch.float64, device=device)

    def load(self, chunk: Batch, adam: torch.optim.Adam, learning_rates: Sequence[float]) -> None:
        """Takes over a chunk and its learning rates, and begins with the first batch."""
        n, n_batches = len(chunk.users), len(learning_rates)
        self.users[:n] = chunk.users
        self.items[:n] = chunk.items
        if self.weights is not None and chunk.weights is not None:
            self.weights[:n] = chunk.weights
        self.at.zero_()[0] = n
        group, state = adam.param_groups[0], next(iter(adam.state.values()))
        steps = state["step"] + self._numbers[:n_batches]
        of_mean, of_square = (1 - beta**steps for beta in group["betas"])
        self.corrections[:n_batches, 0] = steps.new_tensor(learning_rates) / of_mean
        self.corrections[:n_batches, 1] = of_square.sqrt()


class _Gradients:
    """The gradients of all parameters, and where Adam finds what belongs to them."""

    def __init__(self, parts: PairParts, adam: torch.optim.Adam) -> None:
        self.parameters = _parameters(parts)
        flat = _flat(self.parameters)
        device, tables = (
            flat[0].device,
            [table for table in self.parameters[:3] if table is not None],
        )
        sizes = [-(-parameter.numel() // ALIGNED) * ALIGNED for parameter in flat]
        self.all = torch.zeros(sum(sizes), dtype=torch.int64, device=device)
        """One after another, in units."""
        self.of_parameters = _like(self.parameters, iter(self.all.split(sizes)))
        rows = [len(table) for table in tables]
        self.seen = torch.empty(sum(rows), dtype=torch.int32, device=device)
        """For each row of the tables, where the last batch in which it had a gradient began."""
        self.seen_of_tables = _like(self.parameters[:3], iter(self.seen.split(rows)))
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
    """In the order of tiles.Weights."""
    weights = [(layer.weight, layer.bias) for layer in parts.tower]
    first = (weights[0][0], weights[0][1], weights[1][0]) if weights else (None, None, None)
    more, more_biases = ([pair[i] for pair in weights[2:]] for i in (0, 1))
    output = (parts.output.weight, parts.output.bias) if parts.output else (None, None)
    biases = parts.biases.weight if parts.biases else None
    tables = parts.users.weight, parts.items.weight, biases
    return (*tables, *first, tuple(more), tuple(more_biases), *output)


def _flat(nested: tuple[Any, ...]) -> list[torch.Tensor]:
    """The tensors of nested tuples."""
    parts = (_flat(part) if isinstance(part, tuple) else [part] for part in nested)
    return [tensor for part in parts for tensor in part if tensor is not None]


def _like(nested: tuple[Any, ...], tensors: Iterator[torch.Tensor]) -> tuple[Any, ...]:
    """The tensors, nested as others are."""
    return tuple(
        _like(part, tensors) if isinstance(part, tuple) else part if part is None else next(tensors)
        for part in nested
    )
