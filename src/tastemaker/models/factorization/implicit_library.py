"""Access to the package `implicit`, by which `bpr` is trained; it is optional."""

from collections.abc import Callable
from typing import Any

from tastemaker.errors import UnsupportedError
from tastemaker.models.factorization.epochs import OnEpoch, train_in_epochs
from tastemaker.training.run import TrainingLog, TrainingRun

try:
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from implicit.recommender_base import ModelFitError
    from threadpoolctl import threadpool_limits
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True


def bpr(name: str, **settings: Any) -> Any:
    """Creates an unfitted BayesianPersonalizedRanking.

    Raises:
        UnsupportedError: the package is missing; `name` is the model that needs it.
    """
    if not INSTALLED:
        raise UnsupportedError(
            f"{name} needs the implicit package to train: pip install 'tastemaker[implicit]'"
        )
    return BayesianPersonalizedRanking(**settings)


def fit(train: Callable[[OnEpoch], object], epochs: int, run: TrainingRun) -> TrainingLog:
    """Trains a model by the package, as `train_in_epochs` does.

    Raises:
        FloatingPointError: the package reports that the trained vectors are NaN.
    """
    # BLAS threads inside each of the package's threads would make it several times slower.
    with threadpool_limits(1, "blas"):
        try:
            return train_in_epochs(train, epochs, run)
        except ModelFitError:
            raise FloatingPointError("the learned vectors are NaN") from None
