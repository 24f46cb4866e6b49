"""Adam (Kingma and Ba 2015), and a lazy form for tables much larger than a batch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tastemaker.training.config import TrainingConfig


class LazyAdam(torch.optim.Adam):
    """Adam that leaves a table's row without a gradient as it is, moments and all.

    Adam moves such a row too, by what its moments remember, and every table is gone through for
    each batch. The bias correction counts all steps, as in torch.optim.SparseAdam.
    """

    def __init__(self, tables: list[torch.Tensor], parameters: Any, **settings: Any) -> None:
        super().__init__(parameters, **settings)
        self._tables = tables

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Steps only where there are gradients: a kernel that moved the parameters leaves none."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        with torch.no_grad():
            kept = [each for table in self._tables for each in self._idle(table)]
            super().step()
            for tensor, is_idle, values in kept:
                torch.where(is_idle, values, tensor, out=tensor)
        return loss

    def _idle(self, table: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """The table and its moments, which of their rows have no gradient, and what they hold."""
        if table.grad is None:
            return []
        # Masks and not numbers of rows, whose shapes a recorded step could not depend on.
        is_idle = (table.grad == 0).all(dim=1, keepdim=True)
        moments = self.state[table]
        tensors = table, moments["exp_avg"], moments["exp_avg_sq"]
        return [(tensor, is_idle, tensor.clone()) for tensor in tensors]


def adam(network: nn.Module, config: TrainingConfig) -> torch.optim.Adam:
    """The optimizer of a network, its moments at zero."""
    parameters = list(network.parameters())
    # Fused means PyTorch's own kernel, which moves all parameters at once.
    fused = parameters[0].device.type in ("cpu", "cuda")
    settings: dict[str, Any] = {
        "lr": config.learning_rate,
        "weight_decay": config.weight_decay,
        "fused": fused,
    }
    if config.lazy:
        tables = [part.weight for part in network.modules() if isinstance(part, nn.Embedding)]
        optimizer: torch.optim.Adam = LazyAdam(tables, parameters, **settings)
    else:
        optimizer = torch.optim.Adam(parameters, **settings)
    for parameter in parameters:
        optimizer.state[parameter] = {
            "step": torch.zeros((), device=parameter.device if fused else "cpu"),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimizer
