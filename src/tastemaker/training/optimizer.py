"""Adam (Kingma and Ba 2015), and a lazy variant for tables much larger than a batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from tastemaker.training.config import TrainingConfig


class Adam(torch.optim.Adam):
    """Adam that also accepts the sparse gradients of `rows_of`, with some rows of a table.

    The step is that of dense gradients: every row is updated. The gradients are added up in a table
    that stays in memory: on a CPU, a new one for each batch takes longer than the step itself,
    because the operating system clears its memory first.
    """

    def __init__(self, parameters: Any, **settings: Any) -> None:
        super().__init__(parameters, **settings)
        self._zeros: dict[torch.Tensor, torch.Tensor] = {}

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Takes a step for parameters with a gradient; after a kernel's step, none has one."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        with torch.no_grad(), self._dense_gradients():
            self._update()
        return loss

    def _update(self) -> None:
        super().step()

    @contextmanager
    def _dense_gradients(self) -> Iterator[None]:
        """Gives the parameters dense gradients instead of sparse ones inside the block."""
        parameters = [each for group in self.param_groups for each in group["params"]]
        sparse = [
            (table, table.grad)
            for table in parameters
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

    def _update(self) -> None:
        idle_rows = [rows for table in self._tables for rows in self._idle(table)]
        super()._update()
        for tensor, is_idle, values in idle_rows:
            torch.where(is_idle, values, tensor, out=tensor)

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


def adam(network: nn.Module, config: TrainingConfig) -> Adam:
    """Returns the optimizer of a network, with its moments at zero."""
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
        optimizer: Adam = LazyAdam(tables, parameters, **settings)
    else:
        optimizer = Adam(parameters, **settings)
    for parameter in parameters:
        optimizer.state[parameter] = {
            "step": torch.zeros((), device=parameter.device if fused else "cpu"),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimizer
