"""Access to the package `implicit`, by which two models are trained; it is optional."""

from collections.abc import Callable
from typing import Any

from tastemaker.errors import UnsupportedError
from tastemaker.progress import Progress
from tastemaker.training.interrupt import Interrupt, TrainingInterruptedError
from tastemaker.training.run import TrainingLog, TrainingRun

try:
    from implicit.cpu._als import calculate_loss as calculate_loss
    from implicit.cpu._als import least_squares_cg as least_squares_cg
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from implicit.recommender_base import ModelFitError
    from threadpoolctl import threadpool_limits
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True

OnEpoch = Callable[[float, float], None]
"""Receives the duration of an epoch in seconds and its loss; called at the end of the epoch."""


def require(name: str) -> None:
    """Checks that the package is installed.

    Raises:
        UnsupportedError: it is missing; `name` is the model that needs it.
    """
    if not INSTALLED:
        raise UnsupportedError(
            f"{name} needs the implicit package to train: pip install 'tastemaker[implicit]'"
        )


def bpr(name: str, **settings: Any) -> Any:
    """Creates an unfitted BayesianPersonalizedRanking.

    Raises:
        UnsupportedError: the package is missing; `name` is the model that needs it.
    """
    require(name)
    return BayesianPersonalizedRanking(**settings)


def fit(train: Callable[[OnEpoch], object], epochs: int, run: TrainingRun) -> TrainingLog:
    """Trains a model by the package, and reports each epoch.

    Args:
        train: trains the model in place, and calls its argument at the end of each epoch.
        epochs: number of epochs that `train` takes.
        run: its `on_progress` is called.

    Returns:
        The log. After Ctrl-C, it ends with the epoch in progress and is marked as interrupted. If
        several processes train together, all of them end with the same epoch.

    Raises:
        FloatingPointError: the package reports that the trained vectors are NaN.
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
    # BLAS threads inside each of the package's threads would make it several times slower.
    with threadpool_limits(1, "blas"), interrupt.handling_sigint():
        try:
            train(on_epoch)
        except TrainingInterruptedError:
            # The package trains in place, so the model has the vectors of the last epoch.
            log.interrupted = True
        except ModelFitError:
            raise FloatingPointError("the learned vectors are NaN") from None
    return log
