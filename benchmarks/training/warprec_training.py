"""What the contenders of WarpRec have in common: the first batches of an epoch, timed."""

import lightning
from torch.utils.data import DataLoader

from harness.contender import QUIET_TRAINER, EpochClock


class Clock(EpochClock, lightning.Callback):
    """Times the epochs."""


def train_batches(network: lightning.LightningModule, batches: DataLoader, n_batches: int) -> float:
    """Seconds of the first batches of an epoch."""
    clock = Clock()
    trainer = lightning.Trainer(limit_train_batches=n_batches, callbacks=[clock], **QUIET_TRAINER)
    trainer.fit(network, batches)
    return clock.epoch_s[0]
