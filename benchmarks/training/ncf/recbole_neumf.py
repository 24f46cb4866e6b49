"""NeuMF of RecBole."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from published import CandidateLists, test_pairs, train_pairs
from recbole.model.general_recommender import NeuMF
from recbole.trainer import Trainer
from sizes import CANDIDATES, EMBEDDING_SIZE, HIDDEN, LEARNING_RATE, NEGATIVES, SEED

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
from training.recbole_session import prepared, write_atomic_file

PARTS = ("train", "valid", "test")
SETTINGS: dict[str, Any] = {
    "load_col": {"inter": ["user_id", "item_id"]},
    "benchmark_filename": list(PARTS),
    "eval_args": {
        "split": {"RS": [8, 1, 1]},
        "group_by": "user",
        "order": "RO",
        "mode": f"uni{CANDIDATES - 1}",
    },
    "metrics": ["Hit", "NDCG"],
    "topk": [10],
    "valid_metric": "NDCG@10",
    "mf_embedding_size": EMBEDDING_SIZE,
    "mlp_embedding_size": EMBEDDING_SIZE,
    "mlp_hidden_size": list(HIDDEN),
    "dropout_prob": 0.0,
    "train_neg_sample_args": {"distribution": "uniform", "sample_num": NEGATIVES},
    "learning_rate": LEARNING_RATE,
    "seed": SEED,
}


class Session:
    """Data, network and trainer, as its run_recbole makes them."""

    def __init__(self, order: Order) -> None:
        prepare_quietly(order)
        # The test stands for the validation part too, which RecBole needs and is not used.
        test = test_pairs(order.folder)
        for part, frame in zip(PARTS, (train_pairs(order.folder), test, test), strict=True):
            write_atomic_file(frame, Path("ml-1m") / f"ml-1m.{part}.inter")
        settings = SETTINGS | order.options.get("settings", {})
        config, self.batches, _, self.test = prepared("NeuMF", "ml-1m", settings)
        self.network = NeuMF(config, self.batches.dataset)
        self.trainer = Trainer(config, self.network)
        self.data = self.batches.dataset

    def train_epoch(self, batches: Iterable[Any] | None = None) -> float:
        """Seconds of an epoch, or of some of its batches."""
        return timed(lambda: self.trainer._train_epoch(batches or self.batches, 0))[0]

    @torch.no_grad()
    def score(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Scores users with items; see `published.Score`."""
        self.network.eval()
        codes = self.data.field2token_id
        repeated = users.repeat(items.shape[1])
        user_codes = torch.tensor([codes["user_id"][str(user)] for user in repeated])
        item_codes = torch.tensor([codes["item_id"][str(item)] for item in items.ravel()])
        return self.network(user_codes, item_codes).reshape(items.shape).numpy()


def training(order: Order) -> Repetition:
    """Whole epochs."""
    session = Session(order)
    session.train_epoch(itertools.islice(session.batches, 50))
    samples = len(session.data) * (1 + NEGATIVES)
    return lambda: {"seconds": session.train_epoch(), "work": samples}


def time_to_quality(order: Order) -> Repetition:
    """Epoch by epoch."""
    candidates = CandidateLists(order.folder)

    def once() -> Answer:
        session = Session(order)
        return until_reached(order, session.train_epoch, lambda: candidates.hit_rate(session.score))

    return once


def evaluation(order: Order) -> Repetition:
    """Its evaluation among drawn items."""
    session = Session(order)
    session.train_epoch(itertools.islice(session.batches, 50))

    def once() -> Answer:
        seconds, _ = timed_for_a_turn(
            lambda: session.trainer.evaluate(session.test, load_best_model=False)
        )
        return {"seconds": seconds, "work": session.test.sample_size}

    return once


if __name__ == "__main__":
    serve(training=training, time_to_quality=time_to_quality, evaluation=evaluation)
