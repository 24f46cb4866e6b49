"""Access to the package `implicit`, by which two models are trained; it is optional."""

from collections.abc import Callable
from typing import Any

from scipy.sparse import csr_matrix

from tastemaker.errors import UnsupportedError
from tastemaker.progress import Progress
from tastemaker.training.interrupt import Interrupt, TrainingInterruptedError
from tastemaker.training.run import TrainingLog, TrainingRun

try:
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from implicit.recommender_base import ModelFitError
    from threadpoolctl import threadpool_limits
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True


def als(name: str, **settings: Any) -> Any:
    """Creates an unfitted AlternatingLeastSquares.

    Raises:
        UnsupportedError: the package is missing; `name` is the model that needs it.
    """
    _require(name)
    with threadpool_limits(1, "blas"):
        return AlternatingLeastSquares(**settings)


def bpr(name: str, **settings: Any) -> Any:
    """Creates an unfitted BayesianPersonalizedRanking.

    Raises:
        UnsupportedError: the package is missing; `name` is the model that needs it.
    """
    _require(name)
    return BayesianPersonalizedRanking(**settings)


def fit(
    model: Any, matrix: csr_matrix, epochs: int, loss: Callable[..., float], run: TrainingRun
) -> TrainingLog:
    """Fits a model of the package, and reports each epoch.

    Args:
        model: created by `als` or `bpr`.
        matrix: (n_users, n_items), with a 1 for each interaction.
        epochs: the number of epochs that the model was created with.
        loss: computes an epoch's loss from the values that the package reports after its duration.
        run: its `on_progress` is called.

    Returns:
        The log. After Ctrl-C, it ends with the epoch in progress and is marked as interrupted.

    Raises:
        FloatingPointError: the trained vectors are NaN.
    """
    log = TrainingLog()

    def on_epoch(epoch: int, seconds: float, *values: float) -> None:
        elapsed_s = log.elapsed_s + seconds
        record = {"epoch": epoch + 1, "loss": loss(*values), "elapsed_s": elapsed_s}
        log.records.append(record)
        log.best_epoch = epoch + 1
        report_progress(epoch + 1, {"loss": record["loss"]})
        if epoch + 1 < epochs:
            interrupt.raise_if_requested()

    def report_progress(epoch: int, metrics: dict[str, float] | None) -> None:
        if run.on_progress:
            run.on_progress(Progress("training", epoch, epochs, epoch, epochs, metrics))

    interrupt = Interrupt()
    report_progress(0, None)
    # BLAS threads inside each of the package's threads would make it several times slower.
    with threadpool_limits(1, "blas"), interrupt.handling_sigint():
        try:
            model.fit(matrix, show_progress=False, callback=on_epoch)
        except TrainingInterruptedError:
            # The package trains in place, so the model has the vectors of the last epoch.
            log.interrupted = True
        except ModelFitError:
            raise FloatingPointError("the learned vectors are NaN") from None
    return log


def _require(name: str) -> None:
    if not INSTALLED:
        raise UnsupportedError(
            f"{name} needs the implicit package to train: pip install 'tastemaker[implicit]'"
        )
