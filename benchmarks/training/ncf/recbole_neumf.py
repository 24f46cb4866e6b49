"""NeuMF of RecBole."""

import itertools
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from published import CandidateLists, test_pairs, train_pairs
from reaching import until_reached
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.general_recommender import NeuMF
from recbole.trainer import Trainer
from recbole.utils import init_seed
from sizes import CANDIDATES, EMBEDDING_SIZE, HIDDEN, LEARNING_RATE, NEGATIVES, SEED

from harness.contender import Answer, Order, Repetition, serve, timed, timed_for_a_turn

PARTS = ("train", "valid", "test")


class Session:
    """Data, network and trainer, as its run_recbole makes them."""

    def __init__(self, order: Order) -> None:
        warnings.filterwarnings("ignore")
        torch.set_num_threads(order.threads)
        folder = Path.cwd()
        _write_atomic_files(order.folder, folder / "ml-1m")
        config = Config(model="NeuMF", dataset="ml-1m", config_dict=_settings(order, folder))
        init_seed(config["seed"], config["reproducibility"])
        self.batches, _, self.test = data_preparation(config, create_dataset(config))
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
        of_users, of_items = (
            self.data.field2token_id["user_id"],
            self.data.field2token_id["item_id"],
        )
        codes = torch.tensor([of_users[str(user)] for user in users])[:, None].expand(items.shape)
        flat = torch.tensor([of_items[str(item)] for item in items.ravel()])
        return self.network(codes.reshape(-1), flat).reshape(items.shape).numpy()


def training(order: Order) -> Repetition:
    """Whole epochs."""
    session = Session(order)
    session.train_epoch(itertools.islice(session.batches, 50))
    samples = len(session.data) * (1 + NEGATIVES)
    return lambda: {"seconds": session.train_epoch(), "work": samples}


def reaching(order: Order) -> Repetition:
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


def _settings(order: Order, folder: Path) -> dict[str, Any]:
    return {
        "data_path": str(folder),
        "checkpoint_dir": str(folder / "saved"),
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
        "use_gpu": order.device == "cuda",
        "show_progress": False,
        "state": "WARNING",
    } | order.options.get("settings", {})


def _write_atomic_files(data: Path, folder: Path) -> None:
    """The test stands for the validation part too, which RecBole asks for and is not used."""
    folder.mkdir()
    frames = (train_pairs(data), test_pairs(data), test_pairs(data))
    for part, frame in zip(PARTS, frames, strict=True):
        _write_atomic_file(frame, folder / f"ml-1m.{part}.inter")


def _write_atomic_file(frame: pd.DataFrame, path: Path) -> None:
    frame.rename(columns="{}:token".format).to_csv(path, sep="\t", index=False)


if __name__ == "__main__":
    serve(training=training, reaching=reaching, evaluation=evaluation)
