"""Compiled replacements for the loss, its gradients and the optimizer together."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch


class Kernel(Protocol):
    """Trains on a whole chunk of batches in one call."""

    def train(
        self, chunk: Any, adam: torch.optim.Adam, learning_rates: Sequence[float]
    ) -> torch.Tensor | float:
        """Updates the optimizer's parameters and moments as plain steps on the batches would.

        Args:
            chunk: positives with their negatives; all batches are complete, except the last one of
                an epoch.
            adam: the optimizer of all parameters.
            learning_rates: (n_batches,) the learning rate of each batch.

        Returns:
            The sum of the batches' losses.
        """

    def finish(self) -> None:
        """Ends an epoch: applies deferred updates, so that all parameters are up to date."""
