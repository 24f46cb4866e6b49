"""What listens to the Trainer: the log of epochs, progress, and a graceful Ctrl-C."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import polars as pl
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from tastemaker.progress import REPORT_EVERY_S, OnProgress, Progress
from tastemaker.training.interrupt import Interrupt
from tastemaker.training.module import RankingModule
from tastemaker.training.noise import nobody_else_draws
from tastemaker.training.run import TrainingLog, TrainingRun


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
        epoch = trainer.current_epoch + 1
        self.training_log.records.append({"epoch": epoch, **metrics, "elapsed_s": elapsed_s})
        pl.DataFrame(self.training_log.records).write_csv(self._csv)
        if self._tell is not None:
            n_steps = cast("RankingModule", module).n_steps
            self._tell(Progress("training", n_steps, n_steps, epoch, self._epochs, metrics))

    def state_dict(self) -> dict[str, Any]:
        """The records so far, for the checkpoint."""
        return {"records": self.training_log.records}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The records of the run that is resumed."""
        self.training_log.records = state_dict["records"]


class KeepsRandomState(Callback):
    """Lets no other thread draw random numbers while Lightning puts the global state back.

    Before the first epoch Lightning reads the state of the global generators and sets it again.
    What another thread had drawn in between, such as first weights, it would draw once more.

    Args:
        held: keeps the others out until it is closed, at the latest where the training ends.
    """

    def __init__(self, held: ExitStack) -> None:
        self._held = held

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Lightning is about to read the state."""
        self._held.enter_context(nobody_else_draws())

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """It was set again."""
        self._held.close()


class BatchProgress(Callback):
    """Reports how many batches of the epoch are done, and that validation begins."""

    def __init__(self, on_progress: OnProgress, epochs: int) -> None:
        self._on_progress, self._epochs = on_progress, epochs
        self._reported_at = 0.0

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Reports that the epoch begins."""
        self._report(trainer, "training", 0, cast("RankingModule", module).n_steps)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Reports the batches done, at most ten times a second."""
        if time.monotonic() - self._reported_at >= REPORT_EVERY_S:
            ours = cast("RankingModule", module)
            self._report(trainer, "training", ours.n_steps_done, ours.n_steps)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Reports that the validation of the epoch begins; it runs after this callback."""
        if cast("RankingModule", module).validates:
            self._report(trainer, "validating", 0, 1)

    def _report(self, trainer: Trainer, what: str, done: int, total: int) -> None:
        self._reported_at = time.monotonic()
        self._on_progress(Progress(what, done, total, trainer.current_epoch + 1, self._epochs))


class StopOnInterrupt(Callback):
    """Stops between two batches after a Ctrl-C."""

    def __init__(self, interrupt: Interrupt) -> None:
        self._interrupt = interrupt

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stops if asked to."""
        self._interrupt.stop_if_asked()
