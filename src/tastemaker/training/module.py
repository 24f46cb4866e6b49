"""The LightningModule: network + loss + optimizer."""

import math

import torch
from lightning.pytorch import LightningModule

from tastemaker.errors import ConfigError
from tastemaker.training.batches import Batch, Epoch, PairBatches
from tastemaker.training.config import TrainingConfig
from tastemaker.training.losses import Loss
from tastemaker.training.run import Validate


class RankingModule(LightningModule):
    """Trains a network that scores (users, items) so that positives stand above negatives."""

    def __init__(
        self,
        network: torch.nn.Module,
        batches: PairBatches,
        loss: Loss,
        config: TrainingConfig,
        validate: Validate | None,
    ) -> None:
        super().__init__()
        self.network = network
        self._batches, self._loss, self._config = batches, loss, config
        self._validate = validate
        self._loss_sum = torch.zeros(())

    def train_dataloader(self) -> Epoch:
        """The batches of the current epoch; the Trainer asks anew for each."""
        return self._batches.epoch(self.current_epoch)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Nothing to do: batches are made where the network is."""
        return batch

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Scores (b, 1 + negatives), then the loss."""
        loss = self._loss(self.network(batch.users, batch.items), batch.weights)
        # Summed on the device: reading the value each step would make a GPU wait.
        self._loss_sum = self._loss_sum + loss.detach()
        return loss

    def on_train_epoch_start(self) -> None:
        """Starts the epoch's mean loss."""
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
