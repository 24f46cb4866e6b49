"""SASRec of RecTools; batches and ranking as it sets them by default."""

import pandas as pd
import sizes
from leave_one_out import leave_one_out
from rectools import Columns
from rectools.dataset import Dataset
from rectools.metrics import NDCG, HitRate, calc_metrics
from rectools.models import SASRecModel

from harness.contender import Answer, Order, Repetition, prepare_quietly, serve, timed_for_a_turn
from training.rectools_session import named, timing_trainer, trained


def training(order: Order) -> Repetition:
    """Whole epochs, or the first batches of an epoch."""
    train, _, _ = _parts(order)
    data, loss = Dataset.construct(train), order.options.get("loss", "BCE")
    n_batches = order.options.get("batches", 1.0)
    _fit(data, batches=2, loss=loss)

    return lambda: trained(_fit(data, n_batches, loss))


def evaluation(order: Order) -> Repetition:
    """Every test item among the whole catalog; in training, no more than a few batches."""
    train, known, test = _parts(order)
    model = _fit(Dataset.construct(train), batches=2)
    users, history = test[Columns.User].unique(), Dataset.construct(known)
    metrics = {"hit_rate": HitRate(k=sizes.K), "ndcg": NDCG(k=sizes.K)}

    def evaluate() -> pd.DataFrame:
        # It leaves out the few users without a known item in their history.
        lists = model.recommend(
            users, history, k=sizes.K, filter_viewed=True, on_unsupported_targets="ignore"
        )
        calc_metrics(metrics, reco=lists, interactions=test)
        return lists

    def once() -> Answer:
        seconds, lists = timed_for_a_turn(evaluate)
        n_items = len(model.data_preparator.get_known_item_ids())
        return {"seconds": seconds, "work": lists[Columns.User].nunique(), "items": n_items}

    return once


def _parts(order: Order) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The training part, the history known before the test, and the test."""
    prepare_quietly(order)
    parts = leave_one_out(sizes.interactions(order.folder))
    return named(parts.train), named(parts.known), named(parts.test)


def _fit(data: Dataset, batches: float, loss: str = "BCE") -> SASRecModel:
    """Trains for so many batches, or with 1.0 for a whole epoch."""
    model = SASRecModel(
        n_factors=sizes.EMBEDDING_SIZE,
        n_blocks=sizes.LAYERS,
        n_heads=sizes.HEADS,
        session_max_len=sizes.LENGTH,
        dropout_rate=sizes.DROPOUT,
        loss=loss,
        n_negatives=sizes.NEGATIVES,
        lr=sizes.LEARNING_RATE,
        batch_size=sizes.BATCH_SIZE,
        get_trainer_func=lambda: timing_trainer(batches),
    )
    return model.fit(data)


if __name__ == "__main__":
    serve(training=training, evaluation=evaluation)
