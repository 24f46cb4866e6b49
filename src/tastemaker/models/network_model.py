"""NetworkModel: what all models that consist of one PyTorch network have in common."""

from abc import abstractmethod
from typing import Any, Generic

import torch

from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.models.networks import Network, restored, seeded
from tastemaker.models.recommender import Recommender
from tastemaker.training.run import TrainingRun, resolve_device


class NetworkModel(Recommender, Generic[Network]):
    """A model that trains one network, and stores and restores its weights.

    A subclass implements `_new_network`, `_train` and, for what it computes once from the trained
    weights, `_finish`. Its config has a `seed`.
    """

    config: Any
    _network: Network

    @abstractmethod
    def _new_network(self, train: Dataset) -> Network:
        """Creates the untrained network."""

    def _initialised(self, network: Network, split: Split, run: TrainingRun) -> Network:
        """Returns a new network with better initial weights, if the model has any."""
        return network

    @abstractmethod
    def _train(
        self, network: Network, split: Split, run: TrainingRun, device: torch.device
    ) -> None:
        """Trains the network in place and sets `log`."""

    def _fit(self, split: Split, run: TrainingRun) -> None:
        device = resolve_device(run.device)
        network = seeded(lambda: self._new_network(split.train), self.config.seed, device)
        network = self._initialised(network, split, run)
        self._train(network, split, run, device)
        self._finish(network.to(device), split.train)

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        network = restored(lambda: self._new_network(self.dataset), state, device)
        self._finish(network, self.dataset)

    def _finish(self, network: Network, train: Dataset) -> None:
        """Takes a network after training or restoring.

        Args:
            network: with its final weights.
            train: the training data.
        """
        self._network = network.eval().requires_grad_(False)

    @property
    def network(self) -> Network:
        """The trained network."""
        return self._network

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self._network.parameters()).device

    def state(self) -> dict[str, torch.Tensor]:
        """Returns the network's parameters by name."""
        return dict(self._network.state_dict())
