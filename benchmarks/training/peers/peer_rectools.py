"""SASRec of RecTools: python peers/peer_rectools.py INTERACTIONS."""

import warnings

import pandas as pd
from leave_one_out import leave_one_out
from pytorch_lightning import Callback, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.metrics import NDCG, HitRate, calc_metrics
from rectools.models import SASRecModel
from shared import (
    BATCH_SIZE,
    DROPOUT,
    EMBEDDING_SIZE,
    HEADS,
    LAYERS,
    LEARNING_RATE,
    LENGTH,
    NEGATIVES,
    EpochClock,
    K,
    Measurement,
    Task,
    report,
    timed,
)


class Clock(EpochClock, Callback):
    """Times the epochs."""


def measure(task: Task) -> Measurement:
    """Batches and ranking as RecTools sets them by default."""
    warnings.filterwarnings("ignore")
    parts = leave_one_out(task.interactions)
    train, known, test = (_named(part) for part in (parts.train, parts.known, parts.test))
    model = SASRecModel(
        n_factors=EMBEDDING_SIZE,
        n_blocks=LAYERS,
        n_heads=HEADS,
        session_max_len=LENGTH,
        dropout_rate=DROPOUT,
        loss="BCE",
        n_negatives=NEGATIVES,
        lr=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        get_trainer_func=lambda: Trainer(
            accelerator="cpu",
            max_epochs=task.epochs,
            min_epochs=task.epochs,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            logger=False,
            callbacks=[Clock()],
        ),
    )
    model.fit(Dataset.construct(train))
    # It trains with a copy of the trainer, and so of the clock.
    epoch_s = next(c.epoch_s for c in model.fit_trainer.callbacks if isinstance(c, Clock))

    users = test[Columns.User].unique()
    history = Dataset.construct(known)
    metrics = {"hit_rate": HitRate(k=K), "ndcg": NDCG(k=K)}

    def evaluate() -> tuple[pd.DataFrame, dict[str, float]]:
        # It ignores the few of whose history it knows no item.
        lists = model.recommend(
            users, history, k=K, filter_viewed=True, on_unsupported_targets="ignore"
        )
        return lists, calc_metrics(metrics, reco=lists, interactions=test)

    evaluate_s, (lists, result) = timed(evaluate, task.evaluations)
    return Measurement(
        epoch_s=epoch_s,
        evaluate_s=evaluate_s,
        samples=int((train[Columns.User].value_counts() > 1).sum()),
        users=lists[Columns.User].nunique(),
        items=len(model.data_preparator.get_known_item_ids()),
        hit_rate=float(result["hit_rate"]),
    )


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """As RecTools wants its columns: a datetime and a weight."""
    return frame.rename(columns={"timestamp": Columns.Datetime}).assign(
        **{
            Columns.Weight: 1,
            Columns.Datetime: lambda rows: pd.to_datetime(rows.datetime, unit="s"),
        }
    )


if __name__ == "__main__":
    report("RecTools", "rectools", measure)
