"""Compiled replacements for loss, gradients and optimizer together."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch


class Kernel(Protocol):
    """Trains on whole chunks of batches in one call."""

    def train(
        self, chunk: Any, adam: torch.optim.Adam, learning_rates: Sequence[float]
    ) -> torch.Tensor | float:
        """Moves the optimizer's parameters and moments as plain steps through the batches would.

        Args:
            chunk: positives with their negatives, of whole batches but for an epoch's last.
            adam: of all parameters.
            learning_rates: (n_batches,) one for each batch.

        Returns:
            The sum of the batches' losses.
        """

    def finish(self) -> None:
        """Ends an epoch: deferred updates are applied, so that all parameters are up to date."""
