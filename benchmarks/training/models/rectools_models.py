"""EASE and HSTU of RecTools; what the sizes do not say is as it sets it by default."""

import pandas as pd
import sizes
from pytorch_lightning import Callback, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import EASEModel, HSTUModel

from harness.contender import (
    QUIET_TRAINER,
    Answer,
    EpochClock,
    Order,
    Repetition,
    prepare_quietly,
    serve,
    timed,
)


class Clock(EpochClock, Callback):
    """Times the epochs."""


def fitting(order: Order) -> Repetition:
    """EASE in closed form, or an epoch of HSTU or the first batches of one."""
    prepare_quietly(order)
    frame = pd.read_parquet(sizes.interactions(order.folder, order.options["data"]))
    times = pd.to_datetime(frame["timestamp"], unit="s")
    named = frame.assign(**{Columns.Weight: 1, Columns.Datetime: times}).drop(columns="timestamp")
    return MODELS[order.options["model"]](Dataset.construct(named), order)


def _ease(data: Dataset, order: Order) -> Repetition:
    def once() -> Answer:
        model = EASEModel(regularization=sizes.EASE_REGULARIZATION)
        return {"seconds": timed(lambda: model.fit(data))[0], "work": 1}

    return once


def _hstu(data: Dataset, order: Order) -> Repetition:
    def fit(batches: float) -> Answer:
        model = HSTUModel(
            n_factors=sizes.HSTU_SIZE,
            n_blocks=sizes.HSTU_UNITS,
            n_heads=1,
            session_max_len=sizes.LENGTH,
            dropout_rate=sizes.DROPOUT,
            lr=sizes.LEARNING_RATE,
            batch_size=sizes.SEQUENCES,
            get_trainer_func=lambda: Trainer(
                min_epochs=1, limit_train_batches=batches, callbacks=[Clock()], **QUIET_TRAINER
            ),
        ).fit(data)
        trainer = model.fit_trainer
        # It trains with a copy of the trainer, and so of the clock.
        clock = next(each for each in trainer.callbacks if isinstance(each, Clock))
        done = trainer.num_training_batches / len(trainer.train_dataloader)
        return {"seconds": clock.epoch_s[0], "work": done}

    fit(2)
    return lambda: fit(order.options.get("batches", 1.0))


MODELS = {"ease": _ease, "hstu": _hstu}

if __name__ == "__main__":
    serve(fitting=fitting)
