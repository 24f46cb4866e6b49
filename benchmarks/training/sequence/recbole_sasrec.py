"""SASRec of RecBole, as its run_recbole makes and trains it."""

import warnings
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.sequential_recommender import SASRec
from recbole.trainer import Trainer
from recbole.utils import init_seed
from sizes import (
    BATCH_SIZE,
    DROPOUT,
    EMBEDDING_SIZE,
    HEADS,
    LAYERS,
    LEARNING_RATE,
    LENGTH,
    NEGATIVES,
    SEED,
    K,
    interactions,
)

from harness.contender import Answer, Order, Repetition, serve, timed, timed_for_a_turn

SETTINGS = {
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "MAX_ITEM_LIST_LENGTH": LENGTH,
    "eval_args": {
        "split": {"LS": "valid_and_test"},
        "group_by": "user",
        "order": "TO",
        "mode": "full",
    },
    "metrics": ["Hit", "NDCG"],
    "topk": [K],
    "valid_metric": f"NDCG@{K}",
    "hidden_size": EMBEDDING_SIZE,
    "inner_size": EMBEDDING_SIZE,
    "n_layers": LAYERS,
    "n_heads": HEADS,
    "hidden_dropout_prob": DROPOUT,
    "attn_dropout_prob": DROPOUT,
    "loss_type": "BPR",
    "train_neg_sample_args": {"distribution": "uniform", "sample_num": NEGATIVES},
    "train_batch_size": BATCH_SIZE,
    "learning_rate": LEARNING_RATE,
    "seed": SEED,
    "show_progress": False,
    "state": "WARNING",
}


def training(order: Order) -> Repetition:
    """The first batches of an epoch."""
    batches, _, trainer = _session(order)
    wanted = order.options["batches"]
    _train(trainer, batches, 2)

    def once() -> Answer:
        return {"seconds": _train(trainer, batches, wanted), "work": wanted / len(batches)}

    return once


def evaluation(order: Order) -> Repetition:
    """Every test item among the whole catalog; in training, no more than a few batches."""
    batches, test, trainer = _session(order)
    _train(trainer, batches, 2)

    def once() -> Answer:
        seconds, _ = timed_for_a_turn(lambda: trainer.evaluate(test, load_best_model=False))
        return {"seconds": seconds, "work": len(test.dataset), "items": _n_items(test)}

    return once


def _session(order: Order) -> tuple[Any, Any, Trainer]:
    """Training batches, test batches and the trainer with its network."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(order.threads)
    folder = Path.cwd()
    _write_atomic_file(interactions(order.folder), folder / "games" / "games.inter")
    settings = SETTINGS | order.options.get("settings", {})
    settings |= {
        "data_path": str(folder),
        "checkpoint_dir": str(folder / "saved"),
        "use_gpu": order.device == "cuda",
    }
    config = Config(model="SASRec", dataset="games", config_dict=settings)
    init_seed(config["seed"], config["reproducibility"])
    train, _, test = data_preparation(config, create_dataset(config))
    return train, test, Trainer(config, SASRec(config, train.dataset))


def _train(trainer: Trainer, batches: Any, wanted: int) -> float:
    """Seconds of the first batches of an epoch."""
    return timed(lambda: trainer._train_epoch(islice(batches, wanted), 0))[0]


def _n_items(batches: Any) -> int:
    """Items of the catalog, without the one that pads."""
    return batches.dataset.item_num - 1


def _write_atomic_file(source: Path, path: Path) -> None:
    path.parent.mkdir()
    frame = pd.read_parquet(source)
    frame.columns = ["user_id:token", "item_id:token", "timestamp:float"]
    frame.to_csv(path, sep="\t", index=False)


if __name__ == "__main__":
    serve(training=training, evaluation=evaluation)
