"""SASRec of RecBole: python peers/peer_recbole.py INTERACTIONS."""

import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.sequential_recommender import SASRec
from recbole.trainer import Trainer
from recbole.utils import init_seed
from shared import (
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
    Measurement,
    Task,
    report,
    timed,
)

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
    "eval_batch_size": 128,
    "learning_rate": LEARNING_RATE,
    "seed": SEED,
    "use_gpu": False,
    "show_progress": False,
    "state": "WARNING",
}


class TimedTrainer(Trainer):
    """Times the epochs."""

    def __init__(self, config: Config, model: SASRec) -> None:
        super().__init__(config, model)
        self.epoch_s: list[float] = []

    def _train_epoch(self, *arguments: Any, **options: Any) -> Any:
        started_at = time.perf_counter()
        loss = super()._train_epoch(*arguments, **options)
        self.epoch_s.append(time.perf_counter() - started_at)
        return loss


def measure(task: Task) -> Measurement:
    """What its run_recbole does, without validating after each epoch."""
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as folder:
        return _measure(task, Path(folder))


def _measure(task: Task, folder: Path) -> Measurement:
    _write_atomic_file(task.interactions, folder / "games" / "games.inter")
    settings = SETTINGS | {
        "epochs": task.epochs,
        "data_path": str(folder),
        "checkpoint_dir": str(folder / "saved"),
    }
    config = Config(model="SASRec", dataset="games", config_dict=settings)
    init_seed(config["seed"], config["reproducibility"])
    train, _, test = data_preparation(config, create_dataset(config))
    trainer = TimedTrainer(config, SASRec(config, train.dataset))
    trainer.fit(train, verbose=False, saved=False)

    evaluate_s, result = timed(
        lambda: trainer.evaluate(test, load_best_model=False), task.evaluations
    )
    return Measurement(
        epoch_s=trainer.epoch_s,
        evaluate_s=evaluate_s,
        samples=len(train.dataset),
        users=len(test.dataset),
        items=train.dataset.item_num - 1,
        hit_rate=result[f"hit@{K}"],
    )


def _write_atomic_file(interactions: Path, path: Path) -> None:
    path.parent.mkdir()
    frame = pd.read_parquet(interactions)
    frame.columns = ["user_id:token", "item_id:token", "timestamp:float"]
    frame.to_csv(path, sep="\t", index=False)


if __name__ == "__main__":
    report("RecBole", "recbole", measure)
