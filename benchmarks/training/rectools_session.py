"""What the contenders of RecTools have in common: its columns, and an epoch that is timed."""

from typing import Any

import pandas as pd
from pytorch_lightning import Callback, Trainer
from rectools import Columns

from harness.contender import QUIET_TRAINER, Answer, EpochClock


class Clock(EpochClock, Callback):
    """Times the epochs."""


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that RecTools wants: a datetime and a weight."""
    return frame.rename(columns={"timestamp": Columns.Datetime}).assign(
        **{
            Columns.Weight: 1,
            Columns.Datetime: lambda rows: pd.to_datetime(rows.datetime, unit="s"),
        }
    )


def timing_trainer(batches: float) -> Trainer:
    """A trainer of so many batches, or with 1.0 of a whole epoch."""
    return Trainer(min_epochs=1, limit_train_batches=batches, callbacks=[Clock()], **QUIET_TRAINER)


def trained(model: Any) -> Answer:
    """Seconds of a model's training by `timing_trainer`, and the part of an epoch that it was."""
    trainer = model.fit_trainer
    done = trainer.num_training_batches / len(trainer.train_dataloader)
    return {"seconds": clock_of(model).epoch_s[0], "work": done}


def clock_of(model: Any) -> Clock:
    """The clock of a model's training, which uses a copy of the trainer that it was given."""
    return next(each for each in model.fit_trainer.callbacks if isinstance(each, Clock))
