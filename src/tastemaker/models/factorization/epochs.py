"""Training in epochs without Lightning: its log, its progress, and its reaction to Ctrl-C."""

from collections.abc import Callable

from tastemaker.progress import Progress
from tastemaker.training.interrupt import Interrupt, TrainingInterruptedError
from tastemaker.training.run import TrainingLog, TrainingRun

OnEpoch = Callable[[float, float], None]
"""Receives the duration of an epoch in seconds and its loss; called at the end of the epoch."""


def train_in_epochs(
    train: Callable[[OnEpoch], object], epochs: int, run: TrainingRun
) -> TrainingLog:
    """Trains a model in place, and reports each epoch.

    Args:
        train: trains the model in place, and calls its argument at the end of each epoch.
        epochs: number of epochs that `train` takes.
        run: its `on_progress` is called.

    Returns:
        The log. After Ctrl-C, it ends with the epoch in progress and is marked as interrupted. If
        several processes train together, all of them end with the same epoch.
    """
    log = TrainingLog()

    def on_epoch(seconds: float, loss: float) -> None:
        epoch, elapsed_s = len(log.records) + 1, log.elapsed_s + seconds
        log.records.append({"epoch": epoch, "loss": loss, "elapsed_s": elapsed_s})
        log.best_epoch = epoch
        report_progress(epoch, {"loss": loss})
        if epoch < epochs:
            interrupt.raise_if_requested()

    def report_progress(epoch: int, metrics: dict[str, float] | None) -> None:
        if run.on_progress:
            run.on_progress(Progress("training", epoch, epochs, epoch, epochs, metrics))

    interrupt = Interrupt()
    report_progress(0, None)
    with interrupt.handling_sigint():
        try:
            train(on_epoch)
        except TrainingInterruptedError:
            # The model was trained in place, so it has the vectors of the last epoch.
            log.interrupted = True
    return log
