"""Tastemaker's models, through the public API, in the sizes that the others have."""

from typing import Any

import sizes

import tastemaker as tm
from harness.contender import Order, Repetition, prepare_quietly, serve, timed

MODELS: dict[str, dict[str, Any]] = {
    "ease": {"regularization": sizes.EASE_REGULARIZATION, "half_life_events": None},
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
    data = tm.read(sizes.interactions(order.folder, order.options["data"]), name="data")
    split, name = tm.no_holdout(data), order.options["model"]

    def fit() -> tm.Recommender:
        model = tm.model_class(name)(**MODELS[name])
        return model.fit(split, tm.TrainingRun(device="cpu"))

    if order.options.get("warm_up", True):
        fit()
    return lambda: {"seconds": timed(fit)[0], "work": 1}


if __name__ == "__main__":
    serve(fitting=fitting)
