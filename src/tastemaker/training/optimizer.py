"""Adam (Kingma and Ba 2015), and a lazy variant for tables much larger than a batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from tastemaker.native.adam import AdamRule, AdamTensors
from tastemaker.native.library import is_compiled
from tastemaker.training.averaging import WeightAverage
from tastemaker.training.config import TrainingConfig


class Adam(torch.optim.Adam):
    """Adam that also accepts the sparse gradients of `rows_of`, and averages the parameters.

    The step is that of dense gradients: every row is updated. The gradients are added up in a table
    that stays in memory: on a CPU, a new one for each batch takes longer than the step itself,
    because the operating system clears its memory first. There, compiled code takes the step, if
    there is some, and moves the average in the same pass.
    """

    def __init__(
        self, parameters: Any, average: WeightAverage | None = None, **settings: Any
    ) -> None:
        super().__init__(parameters, **settings)
        self._average = average
        self._zeros: dict[torch.Tensor, torch.Tensor] = {}
        self._tensors: AdamTensors | None = None
        self._n_averaged: int | None = None
        self.register_load_state_dict_post_hook(lambda _: self._forget_state())

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Takes a step for parameters with a gradient; after a kernel's step, none has one."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        if any(parameter.grad is not None for parameter in self._parameters):
            with torch.no_grad(), self._dense_gradients():
                number = 0 if self._average is None else self._next_step()
                self._update(number, self._average)
        return loss

    @property
    def _parameters(self) -> list[torch.Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _forget_state(self) -> None:
        """Forgets what was derived from the state, which has been replaced."""
        self._tensors = self._n_averaged = None

    def _update(self, number: int, average: WeightAverage | None) -> None:
        """Takes the step with the given number, and takes the parameters into the average."""
        parameters = self._parameters
        if self._tensors is None and all(map(_is_compiled_for, parameters)):
            averages = None if average is None else average.of(parameters)
            states = [self.state[each] for each in parameters]
            self._tensors = AdamTensors(parameters, states, averages)
        if self._tensors is not None:
            fraction = 0.0 if average is None else average.fraction(number)
            self._compiled_step(self._tensors, fraction)
            return
        super().step()
        if average is not None:
            average.update(number)

    def _compiled_step(self, tensors: AdamTensors, fraction: float) -> None:
        group, gradients = self.param_groups[0], [each.grad for each in self._parameters]
        rule = AdamRule(*group["betas"], group["eps"], group["weight_decay"])
        tensors.step(gradients, rule, group["lr"], fraction)

    def _next_step(self) -> int:
        """Counts the steps that are averaged: returns the number of this one, from 1."""
        if self._n_averaged is None:
            self._n_averaged = max(int(self.state[each]["step"]) for each in self._parameters)
        self._n_averaged += 1
        return self._n_averaged

    @contextmanager
    def _dense_gradients(self) -> Iterator[None]:
        """Gives the parameters dense gradients instead of sparse ones inside the block."""
        sparse = [
            (table, table.grad)
            for table in self._parameters
            if table.grad is not None and table.grad.is_sparse
        ]
        for table, rows in sparse:
            if table not in self._zeros:
                self._zeros[table] = torch.zeros_like(table)
            # indices() would need the rows to be sorted and added up first, which takes longer.
            table.grad = self._zeros[table].index_add_(0, rows._indices()[0], rows._values())
        try:
            yield
        finally:
            for table, rows in sparse:
                self._zeros[table].index_fill_(0, rows._indices()[0], 0)
                table.grad = rows


class LazyAdam(Adam):
    """Adam that leaves a table's rows without a gradient, and their moments, unchanged.

    Plain Adam moves such rows too, because of their moments, and updates every row for each batch.
    The bias correction counts all steps, as in torch.optim.SparseAdam.
    """

    def __init__(self, tables: list[torch.Tensor], parameters: Any, **settings: Any) -> None:
        super().__init__(parameters, **settings)
        self._tables = tables

    def _update(self, number: int, average: WeightAverage | None) -> None:
        idle_rows = [rows for table in self._tables for rows in self._idle(table)]
        super()._update(number, None)
        for tensor, is_idle, values in idle_rows:
            torch.where(is_idle, values, tensor, out=tensor)
        if average is not None:
            average.update(number)

    def _idle(self, table: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Returns the table and its moments, each with a mask of idle rows and a copy of itself.

        A row is idle if it has no gradient. The list is empty if the table has no gradient.
        """
        if table.grad is None:
            return []
        # Masks instead of row indices, since shapes in a recorded step must not depend on the data.
        is_idle = (table.grad == 0).all(dim=1, keepdim=True)
        moments = self.state[table]
        tensors = table, moments["exp_avg"], moments["exp_avg_sq"]
        return [(tensor, is_idle, tensor.clone()) for tensor in tensors]


def _is_compiled_for(parameter: torch.Tensor) -> bool:
    is_plain = parameter.device.type == "cpu" and parameter.dtype == torch.float32
    return is_plain and parameter.is_contiguous() and is_compiled()


def adam(network: nn.Module, config: TrainingConfig, average: WeightAverage | None = None) -> Adam:
    """Returns the optimizer of a network, with its moments at zero.

    Args:
        network: the network.
        config: the training settings.
        average: the average of the network's parameters, which each step moves.
    """
    parameters = list(network.parameters())
    # Fused means PyTorch's own kernel, which updates all parameters at once.
    fused = parameters[0].device.type in ("cpu", "cuda")
    settings: dict[str, Any] = {
        "lr": config.learning_rate,
        "weight_decay": config.weight_decay,
        "fused": fused,
    }
    if config.lazy:
        tables = [part.weight for part in network.modules() if isinstance(part, nn.Embedding)]
        optimizer: Adam = LazyAdam(tables, parameters, average=average, **settings)
    else:
        optimizer = Adam(parameters, average, **settings)
    for parameter in parameters:
        optimizer.state[parameter] = {
            "step": torch.zeros((), device=parameter.device if fused else "cpu"),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimizer
