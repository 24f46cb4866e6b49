"""What stands in for loss, gradients and optimizer at once."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch


class Kernel(Protocol):
    """Steps through whole chunks of batches by itself."""

    def train(
        self, chunk: Any, adam: torch.optim.Adam, sizes: Sequence[float]
    ) -> torch.Tensor | float:
        """Moves the optimizer's parameters and moments as plain steps through the batches would.

        Args:
            chunk: positives with their negatives, of whole batches but for an epoch's last.
            adam: of all parameters.
            sizes: of the steps, one for each batch.

        Returns:
            The sum of the batches' losses.
        """

    def finish(self) -> None:
        """Ends an epoch: what was put off is done, and all parameters are as they should be."""
