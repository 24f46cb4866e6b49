"""The contract between a network and the training loop."""

from typing import Any

import torch


class TrainableNetwork(torch.nn.Module):
    """A network that computes its loss on a batch."""

    def loss(self, batch: Any) -> torch.Tensor:
        """Returns the scalar loss on a batch of the kind that the model makes."""
        raise NotImplementedError
