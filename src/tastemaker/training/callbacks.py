"""Callbacks of the Trainer: the log of epochs, progress reports, and a graceful Ctrl-C."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import polars as pl
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from tastemaker.process_group import process_rank
from tastemaker.progress import REPORT_EVERY_S, OnProgress, Progress
from tastemaker.training.interrupt import Interrupt
from tastemaker.training.module import RankingModule
from tastemaker.training.noise import no_other_thread_draws
from tastemaker.training.run import TrainingLog, TrainingRun


class EpochLog(Checkpoint):
    """Keeps a record of every epoch, writes the records as CSV, and restores them in a resumed run.

    It is a Checkpoint, since Lightning calls only checkpoints after an epoch's metrics are logged.
    """

    def __init__(self, csv: Path, run: TrainingRun, epochs: int) -> None:
        self.training_log = TrainingLog()
        self._csv, self._on_progress, self._epochs = csv, run.on_progress, epochs
        self._elapsed_before_s = 0.0
        self._started_at = time.monotonic()

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Starts the clock."""
        self._elapsed_before_s = self.training_log.elapsed_s
        self._started_at = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Adds the epoch's record, writes the CSV file and reports the progress."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        elapsed_s = self._elapsed_before_s + time.monotonic() - self._started_at
        epoch = trainer.current_epoch + 1
        self.training_log.records.append({"epoch": epoch, **metrics, "elapsed_s": elapsed_s})
        if process_rank() == 0:
            pl.DataFrame(self.training_log.records).write_csv(self._csv)
        if self._on_progress is not None:
            n_steps = cast("RankingModule", module).n_steps
            self._on_progress(Progress("training", n_steps, n_steps, epoch, self._epochs, metrics))

    def state_dict(self) -> dict[str, Any]:
        """Returns the records so far, for the checkpoint."""
        return {"records": self.training_log.records}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the records of the run that is resumed."""
        self.training_log.records = state_dict["records"]


class RandomStateLock(Callback):
    """Keeps other threads from drawing random numbers while Lightning restores the global state.

    Before the first epoch, Lightning reads the state of the global generators and later sets it
    again. Numbers that another thread drew in between, such as initial weights, would then be drawn
    a second time.

    Args:
        lock: keeps other threads from drawing until it is closed, at the latest when training ends.
    """

    def __init__(self, lock: ExitStack) -> None:
        self._lock = lock

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Acquires the lock, before Lightning reads the state."""
        self._lock.enter_context(no_other_thread_draws())

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Releases the lock, after Lightning has set the state again."""
        self._lock.close()


class BatchProgress(Callback):
    """Reports the number of finished batches of the epoch, and the start of validation."""

    def __init__(self, on_progress: OnProgress, epochs: int) -> None:
        self._on_progress, self._epochs = on_progress, epochs
        self._reported_at = 0.0

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Reports the start of the epoch."""
        self._report(trainer, "training", 0, cast("RankingModule", module).n_steps)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Reports the number of finished batches, at most ten times a second."""
        if time.monotonic() - self._reported_at >= REPORT_EVERY_S:
            ranking_module = cast("RankingModule", module)
            self._report(trainer, "training", ranking_module.n_steps_done, ranking_module.n_steps)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Reports the start of the epoch's validation, which runs after this callback."""
        if cast("RankingModule", module).validates:
            self._report(trainer, "validating", 0, 1)

    def _report(self, trainer: Trainer, what: str, done: int, total: int) -> None:
        self._reported_at = time.monotonic()
        self._on_progress(Progress(what, done, total, trainer.current_epoch + 1, self._epochs))


class StopOnInterrupt(Callback):
    """Stops between two batches after a Ctrl-C, in all processes that train together."""

    def __init__(self, interrupt: Interrupt) -> None:
        self._interrupt = interrupt

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stops if Ctrl-C was pressed, in this process or another."""
        self._interrupt.raise_if_requested()
