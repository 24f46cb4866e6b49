"""What listens to the Trainer: the log of epochs, progress, and a graceful Ctrl-C."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from tastemaker.training.run import Progress, TrainingLog, TrainingRun

PROGRESS_EVERY_S = 0.1


class TrainingInterruptedError(Exception):
    """Training was asked to stop; raised between two batches."""


class EpochLog(Checkpoint):
    """Keeps the record of every epoch, writes it as CSV, and carries it through a resume.

    A Checkpoint to Lightning, since only those hear of an epoch's end once its metrics are known.
    """

    def __init__(self, csv: Path, run: TrainingRun, epochs: int) -> None:
        self.training_log = TrainingLog()
        self._csv, self._tell, self._epochs = csv, run.on_progress, epochs
        self._elapsed_before_s = 0.0
        self._started_at = time.monotonic()

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Starts the clock."""
        self._elapsed_before_s = self.training_log.elapsed_s
        self._started_at = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Adds the epoch's record and passes it on."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        elapsed_s = self._elapsed_before_s + time.monotonic() - self._started_at
        epoch, batches = trainer.current_epoch + 1, int(trainer.num_training_batches)
        self.training_log.records.append({"epoch": epoch, **metrics, "elapsed_s": elapsed_s})
        pl.DataFrame(self.training_log.records).write_csv(self._csv)
        if self._tell is not None:
            self._tell(Progress(epoch, self._epochs, batches, batches, metrics))

    def state_dict(self) -> dict[str, Any]:
        """The records so far, for the checkpoint."""
        return {"records": self.training_log.records}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The records of the run that is resumed."""
        self.training_log.records = state_dict["records"]


class BatchProgress(Callback):
    """Tells the caller how far an epoch is, a few times a second."""

    def __init__(self, tell: Callable[[Progress], None], epochs: int) -> None:
        self._tell, self._epochs = tell, epochs
        self._told_at = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a batch, but not too often."""
        now = time.monotonic()
        if now - self._told_at > PROGRESS_EVERY_S:
            self._told_at = now
            epoch, batches = trainer.current_epoch + 1, int(trainer.num_training_batches)
            self._tell(Progress(epoch, self._epochs, batch_idx + 1, batches, None))


class StopOnInterrupt(Callback):
    """Turns the first Ctrl-C into a stop between two batches; a second one is not held back."""

    def __init__(self) -> None:
        self.asked = False

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stops if asked to."""
        if self.asked:
            raise TrainingInterruptedError

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handles SIGINT inside the block, in the main thread, where Python lets one."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)

        def stop(number: int, frame: Any) -> None:
            self.asked = True
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
