"""What stands in for loss, gradients and optimizer at once."""

from typing import Any, Protocol

import torch


class Kernel(Protocol):
    """Steps through whole chunks of batches by itself."""

    def train(self, chunk: Any, adam: torch.optim.Adam) -> tuple[torch.Tensor | float, int]:
        """Moves the optimizer's parameters and moments as plain steps through the batches would.

        Returns:
            The sum of the batches' losses, and how many batches they were.
        """
