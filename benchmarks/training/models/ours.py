"""Tastemaker's models, through the public API, in the sizes that the others have."""

from pathlib import Path
from typing import Any

import polars as pl
import sizes

import tastemaker as tm
from harness.contender import Order, Repetition, prepare_quietly, serve, timed

MODELS: dict[str, dict[str, Any]] = {
    "ease": {"regularization": sizes.EASE_REGULARIZATION, "half_life_events": None},
    "ials": {
        "embedding_size": sizes.IALS_SIZE, "epochs": sizes.IALS_EPOCHS, "alpha": sizes.IALS_ALPHA,
        "regularization": sizes.IALS_REGULARIZATION, "half_life_events": None,
    },
    "itemknn": {
        "similarity": "cosine", "neighbours": sizes.K_NEIGHBOURS, "half_life_events": None,
    },
    "multvae": {
        "hidden": sizes.MULTVAE_HIDDEN, "embedding_size": sizes.MULTVAE_CODE,
        "batch_size": sizes.MULTVAE_USERS, "learning_rate": sizes.LEARNING_RATE, "epochs": 1,
    },
    "lightgcn": {
        "embedding_size": sizes.LIGHTGCN_SIZE, "layers": sizes.LIGHTGCN_LAYERS, "negatives": 1,
        "batch_size": sizes.LIGHTGCN_BATCH, "learning_rate": sizes.LEARNING_RATE, "epochs": 1,
    },
    "gru4rec": {
        "embedding_size": sizes.GRU_SIZE, "hidden": sizes.GRU_HIDDEN, "length": sizes.LENGTH,
        "batch_size": sizes.SEQUENCES, "dropout": sizes.DROPOUT,
        "learning_rate": sizes.LEARNING_RATE, "epochs": 1,
    },
    "hstu": {
        "embedding_size": sizes.HSTU_SIZE, "layers": sizes.HSTU_UNITS, "length": sizes.LENGTH,
        "batch_size": sizes.SEQUENCES, "dropout": sizes.DROPOUT, "time_gaps": True,
        "learning_rate": sizes.LEARNING_RATE, "epochs": 1,
    },
}  # fmt: skip


def fitting(order: Order) -> Repetition:
    """The whole `fit` of a model in closed form, or of one epoch."""
    prepare_quietly(order)
    data, name = tm.read(_file(order), name="data"), order.options["model"]
    if order.options.get("warm_up", True):
        _fit(name, data)
    return lambda: {"seconds": timed(lambda: _fit(name, data))[0], "work": 1}


def from_csv(order: Order) -> Repetition:
    """Reading a CSV file and the whole `fit`."""
    prepare_quietly(order)
    path, name = Path("data.csv"), order.options["model"]
    pl.read_parquet(_file(order)).write_csv(path)

    def read_and_fit() -> tm.Recommender:
        return _fit(name, tm.read(path, user="user_id", item="item_id", time="timestamp"))

    read_and_fit()
    return lambda: {"seconds": timed(read_and_fit)[0], "work": 1}


def _file(order: Order) -> Path:
    return sizes.interactions(order.folder, order.options["data"])


def _fit(name: str, data: tm.Dataset) -> tm.Recommender:
    model = tm.model_class(name)(**MODELS[name])
    return model.fit(tm.no_holdout(data), tm.TrainingRun(device="cpu"))


if __name__ == "__main__":
    serve(fitting=fitting, from_csv=from_csv)
