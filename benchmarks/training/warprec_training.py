"""What the contenders of WarpRec have in common: the first batches of an epoch, timed."""

import logging
import warnings

import lightning
import torch
from torch.utils.data import DataLoader

from harness.contender import EpochClock, Order


class Clock(EpochClock, lightning.Callback):
    """Times the epochs."""


def prepare_quietly(order: Order) -> None:
    """Sets the threads, and stops Lightning from telling what it does."""
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(order.threads)


def train_batches(network: lightning.LightningModule, batches: DataLoader, wanted: int) -> float:
    """Seconds of the first batches of an epoch."""
    clock = Clock()
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_train_batches=wanted,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=False,
        callbacks=[clock],
    )
    trainer.fit(network, batches)
    return clock.epoch_s[0]
