"""SASRec of RecBole, as its run_recbole makes and trains it."""

from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import sizes
from recbole.model.sequential_recommender import SASRec
from recbole.trainer import Trainer

from harness.contender import (
    Answer,
    Order,
    Repetition,
    prepare_quietly,
    serve,
    timed,
    timed_for_a_turn,
)
from training.recbole_session import LEAVE_ONE_OUT, prepared, write_atomic_file

SETTINGS = {
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "MAX_ITEM_LIST_LENGTH": sizes.LENGTH,
    "eval_args": LEAVE_ONE_OUT,
    "metrics": ["Hit", "NDCG"],
    "topk": [sizes.K],
    "valid_metric": f"NDCG@{sizes.K}",
    "hidden_size": sizes.EMBEDDING_SIZE,
    "inner_size": sizes.EMBEDDING_SIZE,
    "n_layers": sizes.LAYERS,
    "n_heads": sizes.HEADS,
    "hidden_dropout_prob": sizes.DROPOUT,
    "attn_dropout_prob": sizes.DROPOUT,
    "loss_type": "BPR",
    "train_neg_sample_args": {"distribution": "uniform", "sample_num": sizes.NEGATIVES},
    "train_batch_size": sizes.BATCH_SIZE,
    "learning_rate": sizes.LEARNING_RATE,
    "seed": sizes.SEED,
}


def training(order: Order) -> Repetition:
    """The first batches of an epoch."""
    batches, _, trainer = _session(order)
    n_batches = order.options["batches"]
    _train(trainer, batches, 2)

    def once() -> Answer:
        seconds = _train(trainer, batches, n_batches)
        return {"seconds": seconds, "work": n_batches / len(batches)}

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
    prepare_quietly(order)
    frame = pd.read_parquet(sizes.interactions(order.folder))
    write_atomic_file(frame, Path("games") / "games.inter")
    settings = SETTINGS | order.options.get("settings", {})
    config, train, test = prepared("SASRec", "games", settings)
    return train, test, Trainer(config, SASRec(config, train.dataset))


def _train(trainer: Trainer, batches: Any, n_batches: int) -> float:
    """Seconds of the first batches of an epoch."""
    return timed(lambda: trainer._train_epoch(islice(batches, n_batches), 0))[0]


def _n_items(batches: Any) -> int:
    """Items of the catalog, without the one that pads."""
    return batches.dataset.item_num - 1


if __name__ == "__main__":
    serve(training=training, evaluation=evaluation)
