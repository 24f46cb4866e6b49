"""MultVAE, LightGCN, GRU4Rec and EASE of RecBole, as its run_recbole makes and trains them."""

from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import sizes
from recbole.trainer import Trainer
from recbole.utils import get_model

from harness.contender import Order, Repetition, prepare_quietly, serve, timed
from training.recbole_session import LEAVE_ONE_OUT, prepared, write_atomic_file

NOTHING_HELD_OUT = {
    "split": {"RS": [0.99998, 0.00001, 0.00001]}, "group_by": "none", "order": "RO",
    "mode": "full",
}  # fmt: skip
"""It cannot train without a test, so that it has a handful of pairs."""

MODELS: dict[str, dict[str, Any]] = {
    "MultiVAE": {
        "mlp_hidden_size": [sizes.MULTVAE_HIDDEN],
        "latent_dimension": 2 * sizes.MULTVAE_CODE,  # mean and variance
        "train_batch_size": sizes.MULTVAE_USERS,
        "train_neg_sample_args": None,
        "eval_args": NOTHING_HELD_OUT,
    },
    "LightGCN": {
        "embedding_size": sizes.LIGHTGCN_SIZE,
        "n_layers": sizes.LIGHTGCN_LAYERS,
        "train_batch_size": sizes.LIGHTGCN_BATCH,
        "eval_args": NOTHING_HELD_OUT,
    },
    "EASE": {"reg_weight": sizes.EASE_REGULARIZATION, "eval_args": NOTHING_HELD_OUT},
    "GRU4Rec": {
        "embedding_size": sizes.GRU_SIZE,
        "hidden_size": sizes.GRU_HIDDEN,
        "dropout_prob": sizes.DROPOUT,
        "MAX_ITEM_LIST_LENGTH": sizes.LENGTH,
        "train_batch_size": sizes.SEQUENCES,
        "train_neg_sample_args": None,
        "eval_args": LEAVE_ONE_OUT,
    },
}


def fitting(order: Order) -> Repetition:
    """An epoch, or the first batches of one."""
    prepare_quietly(order)
    _write(order)
    network, config, batches = _network(order)
    trainer = Trainer(config, network)
    n_batches = min(order.options.get("batches", len(batches)), len(batches))

    def train(n_batches: int) -> float:
        return timed(lambda: trainer._train_epoch(islice(batches, n_batches), 0))[0]

    train(2)
    return lambda: {"seconds": train(n_batches), "work": n_batches / len(batches)}


def from_csv(order: Order) -> Repetition:
    """Reading a CSV file of its format; a model in closed form is fitted when it is made."""
    prepare_quietly(order)
    _write(order)
    _network(order)
    return lambda: {"seconds": timed(lambda: _network(order))[0], "work": 1}


def _write(order: Order) -> None:
    frame = pd.read_parquet(sizes.interactions(order.folder, order.options["data"]))
    write_atomic_file(frame, Path("data") / "data.inter")


def _network(order: Order) -> tuple[Any, Any, Any]:
    """The new network, its configuration and its batches."""
    name = order.options["model"]
    head = pd.read_csv(Path("data", "data.inter"), sep="\t", nrows=0)
    columns = [column.split(":")[0] for column in head.columns]
    common = {"learning_rate": sizes.LEARNING_RATE, "seed": sizes.SEED}
    settings = common | {"load_col": {"inter": columns}} | MODELS[name]
    config, batches, *_ = prepared(name, "data", settings)
    return get_model(name)(config, batches.dataset), config, batches


if __name__ == "__main__":
    serve(fitting=fitting, from_csv=from_csv)
