"""EASE, iALS and HSTU of RecTools; what the sizes do not say is as it sets it by default."""

from pathlib import Path

import pandas as pd
import sizes
import torch
from implicit.als import AlternatingLeastSquares
from rectools.dataset import Dataset
from rectools.models import EASEModel, HSTUModel, ImplicitALSWrapperModel
from rectools.models.base import ModelBase
from threadpoolctl import threadpool_limits

from harness.contender import Answer, Order, Repetition, prepare_quietly, serve, timed
from training.rectools_session import named, timing_trainer, trained


def fitting(order: Order) -> Repetition:
    """EASE in closed form, or an epoch of HSTU or the first batches of one."""
    prepare_quietly(order)
    data = Dataset.construct(named(pd.read_parquet(_file(order))))
    if order.options["model"] == "hstu":
        return _hstu(data, order)
    if order.options.get("warm_up", True):
        _fit_linear("ease", data)
    return lambda: {"seconds": timed(lambda: _fit_linear("ease", data))[0], "work": 1}


def from_csv(order: Order) -> Repetition:
    """Reading a CSV file and the whole `fit`."""
    prepare_quietly(order)
    path, name = Path("data.csv"), order.options["model"]
    pd.read_parquet(_file(order)).to_csv(path, index=False)

    def once() -> Answer:
        seconds, _ = timed(lambda: _fit_linear(name, Dataset.construct(named(pd.read_csv(path)))))
        return {"seconds": seconds, "work": 1}

    once()
    return once


def _file(order: Order) -> Path:
    return sizes.interactions(order.folder, order.options["data"])


def _fit_linear(name: str, data: Dataset) -> ModelBase:
    if name == "ease":
        return EASEModel(regularization=sizes.EASE_REGULARIZATION).fit(data)
    inner = AlternatingLeastSquares(
        factors=sizes.IALS_SIZE,
        alpha=1 + sizes.IALS_ALPHA,
        regularization=sizes.IALS_REGULARIZATION,
        iterations=sizes.IALS_EPOCHS,
        num_threads=torch.get_num_threads(),
        random_state=0,
    )
    with threadpool_limits(1, "blas"):
        return ImplicitALSWrapperModel(inner).fit(data)


def _hstu(data: Dataset, order: Order) -> Repetition:
    def fit(batches: float) -> Answer:
        model = HSTUModel(
            n_factors=sizes.HSTU_SIZE,
            n_blocks=sizes.HSTU_UNITS,
            n_heads=1,
            session_max_len=sizes.LENGTH,
            dropout_rate=sizes.DROPOUT,
            lr=sizes.LEARNING_RATE,
            batch_size=sizes.SEQUENCES,
            get_trainer_func=lambda: timing_trainer(batches),
        )
        return trained(model.fit(data))

    fit(2)
    return lambda: fit(order.options.get("batches", 1.0))


if __name__ == "__main__":
    serve(fitting=fitting, from_csv=from_csv)
