"""The package `implicit`, which two models are trained by and which need not be installed."""

from collections.abc import Callable
from typing import Any

from scipy.sparse import csr_matrix

from tastemaker.errors import UnsupportedError
from tastemaker.training.run import Progress, TrainingLog, TrainingRun

try:
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from threadpoolctl import threadpool_limits
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True


def als(name: str, **settings: Any) -> Any:
    """An unfitted AlternatingLeastSquares.

    Raises:
        UnsupportedError: the package is missing; `name` is the model that needs it.
    """
    _require(name)
    with threadpool_limits(1, "blas"):
        return AlternatingLeastSquares(**settings)


def bpr(name: str, **settings: Any) -> Any:
    """An unfitted BayesianPersonalizedRanking.

    Raises:
        UnsupportedError: the package is missing; `name` is the model that needs it.
    """
    _require(name)
    return BayesianPersonalizedRanking(**settings)


def fit(
    model: Any, matrix: csr_matrix, epochs: int, loss: Callable[..., float], run: TrainingRun
) -> TrainingLog:
    """Fits a model of the package in silence, telling of each epoch.

    Args:
        model: as `als` or `bpr` made it.
        matrix: (n_users, n_items) of 1.
        epochs: as many as the model was told to take.
        loss: makes an epoch's loss of what the package reports behind its time.
        run: who hears of progress.
    """
    log = TrainingLog()

    def on_epoch(epoch: int, seconds: float, *report: float) -> None:
        elapsed_s = log.elapsed_s + seconds
        record = {"epoch": epoch + 1, "loss": loss(*report), "elapsed_s": elapsed_s}
        log.records.append(record)
        log.best_epoch = epoch + 1
        if run.on_progress:
            run.on_progress(Progress(epoch + 1, epochs, 1, 1, {"loss": record["loss"]}))

    # Threads of its own inside each of the package's threads make it several times slower.
    with threadpool_limits(1, "blas"):
        model.fit(matrix, show_progress=False, callback=on_epoch)
    return log


def _require(name: str) -> None:
    if not INSTALLED:
        raise UnsupportedError(
            f"{name} needs the implicit package to train: pip install 'tastemaker[implicit]'"
        )
