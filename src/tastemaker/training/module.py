"""The LightningModule: network + step + optimizer."""

import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from lightning.pytorch import LightningModule

from tastemaker.errors import ConfigError
from tastemaker.training.config import TrainingConfig
from tastemaker.training.epochs import epoch_seed
from tastemaker.training.run import Validate

Step = Callable[[Any], torch.Tensor]
"""A batch to the scalar loss of the network on it."""


class Epoch(Protocol):
    """The batches of one epoch; iterating twice gives the same ones."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


class Batches(Protocol):
    """What a network learns from."""

    def epoch(self, number: int) -> Epoch:
        """The batches of one epoch, counted from 0; the number alone decides what they hold."""


class RankingModule(LightningModule):
    """Trains a network by the loss of each batch."""

    def __init__(
        self,
        network: torch.nn.Module,
        batches: Batches,
        step: Step,
        config: TrainingConfig,
        validate: Validate | None,
    ) -> None:
        super().__init__()
        self.network = network
        self._batches, self._step, self._config = batches, step, config
        self._validate = validate
        self._loss_sum = torch.zeros(())

    def train_dataloader(self) -> Epoch:
        """The batches of the current epoch; the Trainer asks anew for each."""
        return self._batches.epoch(self.current_epoch)

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """Nothing to do: batches are made where the network is."""
        return batch

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        """The loss, kept for the epoch's mean."""
        loss = self._step(batch)
        # Summed on the device: reading the value each step would make a GPU wait.
        self._loss_sum = self._loss_sum + loss.detach()
        return loss

    def on_train_epoch_start(self) -> None:
        """Starts the epoch's mean loss, and the noise that a network draws from the global state.

        That an epoch's noise depends on the epoch's number lets a resumed run end as an unbroken
        one. The seed is negative, since the batches are drawn with the positive ones.
        """
        torch.manual_seed(-1 - epoch_seed(self._config.seed, self.current_epoch))
        self._loss_sum = torch.zeros((), device=self.device)

    def on_train_epoch_end(self) -> None:
        """Logs the epoch's mean loss and the validation metrics.

        Raises:
            ConfigError: the loss is not a number any more.
        """
        metrics = {"loss": float(self._loss_sum) / len(self._batches.epoch(0))}
        if not math.isfinite(metrics["loss"]):
            raise ConfigError(
                f"training diverged: the loss of epoch {self.current_epoch + 1} is "
                f"{metrics['loss']}; lower learning_rate (now {self._config.learning_rate:g}) "
                "and begin anew (--restart)"
            )
        if self._validate is not None:
            self.network.eval()
            with torch.no_grad():
                metrics |= self._validate()
            self.network.train()
        self.log_dict(metrics)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam (Kingma and Ba 2015)."""
        return torch.optim.Adam(
            self.network.parameters(),
            lr=self._config.learning_rate,
            weight_decay=self._config.weight_decay,
            fused=self.device.type in ("cpu", "cuda"),
        )
