"""SASRec of RecBole, as its run_recbole makes and trains it."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import sizes
import torch
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
from training.reaching import until_reached
from training.recbole_session import LEAVE_ONE_OUT, Prepared, prepared, write_atomic_file

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
    data, trainer = _session(order)
    n_batches = order.options["batches"]
    _train(trainer, data.train, 2)

    def once() -> Answer:
        seconds = _train(trainer, data.train, n_batches)
        return {"seconds": seconds, "work": n_batches / len(data.train)}

    return once


def time_to_quality(order: Order) -> Repetition:
    """Epoch by epoch, with a softmax."""
    settings = {
        "hidden_size": sizes.QUALITY_SIZE,
        "inner_size": sizes.QUALITY_SIZE,
        "hidden_dropout_prob": sizes.QUALITY_DROPOUT,
        "attn_dropout_prob": sizes.QUALITY_DROPOUT,
        "loss_type": "CE",
        "train_neg_sample_args": None,
    }

    def once() -> Answer:
        data, trainer = _session(order, "amazon-beauty", settings)

        @torch.no_grad()
        def ndcg() -> float:
            """As RecBole computes it, but without the items of the history."""
            trainer.model.eval()
            gains = []
            for batch, _, rows, targets in data.validation:
                scores = trainer.model.full_sort_predict(batch).view(len(batch), -1)
                of_targets = scores[rows, targets]
                scores.scatter_(1, batch["item_id_list"], -torch.inf)
                ranks = 1 + (scores[rows] > of_targets[:, None]).sum(dim=1)
                gains.append(torch.where(ranks <= sizes.K, 1 / (1 + ranks).log2(), 0))
            return float(torch.cat(gains).mean())

        return until_reached(order, lambda: _train(trainer, data.train, len(data.train)), ndcg)

    return once


def evaluation(order: Order) -> Repetition:
    """Every test item among the whole catalog; in training, no more than a few batches."""
    data, trainer = _session(order)
    test = data.test
    _train(trainer, data.train, 2)

    def once() -> Answer:
        seconds, _ = timed_for_a_turn(lambda: trainer.evaluate(test, load_best_model=False))
        return {"seconds": seconds, "work": len(test.dataset), "items": _n_items(test)}

    return once


def _session(
    order: Order, name: str = "sasrec-games", more: Mapping[str, Any] = MappingProxyType({})
) -> tuple[Prepared, Trainer]:
    """The batches of a data set, and the trainer with its network."""
    prepare_quietly(order)
    frame = pd.read_parquet(sizes.interactions(order.folder, name))
    write_atomic_file(frame, Path(name) / f"{name}.inter")
    data = prepared("SASRec", name, {**SETTINGS, **more, **order.options.get("settings", {})})
    return data, Trainer(data.config, SASRec(data.config, data.train.dataset))


def _train(trainer: Trainer, batches: Any, n_batches: int) -> float:
    """Seconds of the first batches of an epoch."""
    return timed(lambda: trainer._train_epoch(islice(batches, n_batches), 0))[0]


def _n_items(batches: Any) -> int:
    """Items of the catalog, without the one that pads."""
    return batches.dataset.item_num - 1


if __name__ == "__main__":
    serve(training=training, time_to_quality=time_to_quality, evaluation=evaluation)
