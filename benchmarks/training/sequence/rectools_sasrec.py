"""SASRec of RecTools; batches and ranking as it sets them by default."""

from typing import Any

import numpy as np
import pandas as pd
import sizes
from leave_one_out import Parts, leave_one_out
from rectools import Columns
from rectools.dataset import Dataset
from rectools.metrics import NDCG, HitRate, calc_metrics
from rectools.models import SASRecModel

from harness.contender import Answer, Order, Repetition, prepare_quietly, serve, timed_for_a_turn
from training.reaching import until_reached
from training.rectools_session import clock_of, named, timing_trainer, trained


def training(order: Order) -> Repetition:
    """Whole epochs, or the first batches of an epoch."""
    data, loss = Dataset.construct(_parts(order).train), order.options.get("loss", "BCE")
    n_batches = order.options.get("batches", 1.0)
    _fit(data, batches=2, loss=loss)

    return lambda: trained(_fit(data, n_batches, loss))


def time_to_quality(order: Order) -> Repetition:
    """Epoch by epoch, with a softmax."""
    parts = _parts(order, "amazon-beauty")
    data = Dataset.construct(parts.train)
    users = parts.validation[Columns.User].unique()

    def once() -> Answer:
        model = _model(
            1.0, loss="softmax", n_factors=sizes.QUALITY_SIZE, dropout_rate=sizes.QUALITY_DROPOUT
        )

        def train_epoch() -> float:
            model.fit_partial(data, min_epochs=1, max_epochs=1)
            return clock_of(model).epoch_s[-1]

        def ndcg() -> float:
            lists = model.recommend(
                users, data, k=sizes.K, filter_viewed=True, on_unsupported_targets="ignore"
            )
            hits = lists.merge(parts.validation, on=[Columns.User, Columns.Item])
            return float((1 / np.log2(hits[Columns.Rank] + 1)).sum() / len(users))

        return until_reached(order, train_epoch, ndcg)

    return once


def evaluation(order: Order) -> Repetition:
    """Every test item among the whole catalog; in training, no more than a few batches."""
    parts = _parts(order)
    test = parts.test
    model = _fit(Dataset.construct(parts.train), batches=2)
    users, history = test[Columns.User].unique(), Dataset.construct(parts.known)
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


def _parts(order: Order, data: str = "sasrec-games") -> Parts:
    prepare_quietly(order)
    parts = leave_one_out(sizes.interactions(order.folder, data))
    return Parts(named(parts.train), named(parts.validation), named(parts.test))


def _fit(data: Dataset, batches: float, loss: str = "BCE") -> SASRecModel:
    """Trains for so many batches, or with 1.0 for a whole epoch."""
    return _model(batches, loss=loss).fit(data)


def _model(batches: float, **settings: Any) -> SASRecModel:
    """A model that trains for so many batches at a time, or with 1.0 for a whole epoch."""
    common: dict[str, Any] = {
        "n_factors": sizes.EMBEDDING_SIZE,
        "n_blocks": sizes.LAYERS,
        "n_heads": sizes.HEADS,
        "session_max_len": sizes.LENGTH,
        "dropout_rate": sizes.DROPOUT,
        "n_negatives": sizes.NEGATIVES,
        "lr": sizes.LEARNING_RATE,
        "batch_size": sizes.BATCH_SIZE,
        "get_trainer_func": lambda: timing_trainer(batches),
    }
    return SASRecModel(**common | settings)


if __name__ == "__main__":
    serve(training=training, time_to_quality=time_to_quality, evaluation=evaluation)
