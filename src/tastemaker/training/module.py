"""The LightningModules, which combine a network, its training step and its optimizer."""

import math
from functools import cached_property
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer

from tastemaker.process_group import n_processes, process_rank, summed
from tastemaker.training.averaging import WeightAverage
from tastemaker.training.config import TrainingConfig
from tastemaker.training.epochs import Batches, Epoch, noise_seed
from tastemaker.training.kernels.kernel import Kernel
from tastemaker.training.network import TrainableNetwork
from tastemaker.training.noise import Noise
from tastemaker.training.optimizer import adam
from tastemaker.training.schedule import learning_rate_at
from tastemaker.training.validation import Validation


class RankingModule(LightningModule):
    """Base of the training modules: epochs, mean loss, validation and optimizer."""

    def __init__(
        self,
        network: TrainableNetwork,
        batches: Batches,
        config: TrainingConfig,
        validate: Validation | None,
        averaging: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self._batches, self._config, self._validate = batches, config, validate
        self.average = WeightAverage(network.parameters()) if averaging else None
        self._loss_sum, self.n_steps_done = torch.zeros(()), 0

    @property
    def validates(self) -> bool:
        """Whether there is a validation after each epoch."""
        return self._validate is not None

    def train_dataloader(self) -> Epoch:
        """Returns the batches of the current epoch; the Trainer calls this again for each epoch."""
        return self._batches.epoch(self.current_epoch)

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """Returns the batch unchanged, since batches are made on the network's device."""
        return batch

    def count(self, loss: torch.Tensor | float, n_batches: int) -> None:
        """Adds the summed loss and the number of some batches to those of the epoch."""
        # Summed on the device: reading the value in each step would make a GPU wait.
        self._loss_sum = self._loss_sum + loss
        self.n_steps_done += n_batches

    def next_learning_rate(self, steps_ahead: int = 0) -> float:
        """Returns the learning rate of the next step, or of the step `steps_ahead` later."""
        done = self.current_epoch * self.n_steps + self.n_steps_done
        return learning_rate_at(self._config, done + steps_ahead, self.n_steps)

    @cached_property
    def n_steps(self) -> int:
        """Number of optimizer steps in an epoch, one per batch; `n_steps_done` counts them."""
        return self._batches.epoch(0).n_steps

    def on_train_epoch_start(self) -> None:
        """Resets the epoch's mean loss, and seeds the noise of dropout and similar operations.

        The noise depends on the epoch's number, so that a resumed run has the same result as an
        uninterrupted one.
        """
        seed = noise_seed(self._config.seed, self.current_epoch, process_rank())
        self.noise = Noise(seed, self.device)
        self._loss_sum, self.n_steps_done = torch.zeros((), device=self.device), 0

    def on_train_epoch_end(self) -> None:
        """Logs the epoch's mean loss and the validation metrics.

        Raises:
            FloatingPointError: the loss is no longer finite.
        """
        metrics = {"loss": float(self._loss_sum) / self.n_steps_done}
        if not math.isfinite(metrics["loss"]):
            raise FloatingPointError(
                f"the loss of epoch {self.current_epoch + 1} is {metrics['loss']}"
            )
        if self._validate is not None:
            self.network.eval()
            metrics |= self._validated(self._validate)
            self.network.train()
        self.log_dict(metrics)

    @torch.no_grad()
    def _validated(self, validate: Validation) -> dict[str, float]:
        if self.average is None:
            return validate()
        with self.average.in_place_of_parameters():
            return validate()

    def load_best(self, state: dict[str, torch.Tensor]) -> None:
        """Loads the module's state of the best epoch.

        The network gets the weights that were validated then: the average, if there is one.
        """
        self.load_state_dict(state)
        if self.average is not None:
            self.average.copy_to_parameters()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Returns Adam for the network's parameters, which also averages them."""
        return adam(self.network, self._config, self.average)


class SteppedModule(RankingModule):
    """Trains a network with the gradients of the loss of each batch."""

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        """Returns the loss, whose gradients Lightning computes."""
        for group in cast("LightningOptimizer", self.optimizers()).param_groups:
            group["lr"] = self.next_learning_rate()
        with self.noise.as_global_state():
            loss = self._loss(batch)
        self.count(loss.detach(), 1)
        return loss

    def _loss(self, batch: Any) -> torch.Tensor:
        return self.network.loss(batch)


class SharedModule(SteppedModule):
    """Trains a network together with other processes, each on its own part of every batch."""

    def _loss(self, batch: Any) -> torch.Tensor:
        """Returns this process's part of the whole batch's loss, times the number of processes.

        The mean of the gradients of all processes, which DistributedDataParallel computes, is then
        the gradient of the whole batch's loss.
        """
        return self.network.loss(batch) * (batch.loss_fraction * n_processes())

    def on_train_epoch_end(self) -> None:
        """Averages the loss over the processes first."""
        self._loss_sum = summed(self._loss_sum) / n_processes()
        super().on_train_epoch_end()


class FusedModule(RankingModule):
    """Trains a network with a kernel, on chunks of many batches."""

    def __init__(
        self,
        network: TrainableNetwork,
        chunks: Batches,
        kernel: Kernel,
        config: TrainingConfig,
        validate: Validation | None,
    ) -> None:
        super().__init__(network, chunks, config, validate)
        self.automatic_optimization = False
        self._kernel = kernel

    def training_step(self, chunk: Any, batch_idx: int) -> None:
        """Trains on all batches of the chunk."""
        optimizer = cast("LightningOptimizer", self.optimizers())
        n_batches = -(-len(chunk.users) // self._config.batch_size)
        learning_rates = [self.next_learning_rate(steps_ahead) for steps_ahead in range(n_batches)]
        adam = cast("torch.optim.Adam", optimizer.optimizer)
        self.count(self._kernel.train(chunk, adam, learning_rates), n_batches)
        # Changes no parameter, since there are no gradients; it makes Lightning count the step.
        optimizer.step()

    def on_train_epoch_end(self) -> None:
        """Finishes the kernel's epoch first, so that callbacks see up-to-date parameters."""
        self._kernel.finish()
        super().on_train_epoch_end()
