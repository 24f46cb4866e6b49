"""The same with RecTools; its imports are not counted."""

from pathlib import Path

import pandas as pd
from rectools import Columns
from rectools.dataset import Dataset, Interactions
from rectools.model_selection import LastNSplitter

from harness.contender import Answer, Order, Repetition, serve, timed

NAMES = {
    "userId": Columns.User,
    "movieId": Columns.Item,
    "rating": Columns.Weight,
    "timestamp": Columns.Datetime,
}


def preparing(order: Order) -> Repetition:
    """Reading, splitting off the last two, and encoding what is left to train on."""
    path = Path(order.generated) / "ratings.csv"

    def once() -> Answer:
        seconds, rows = timed(lambda: _prepare(path))
        return {"seconds": seconds, "work": 1, "rows": rows}

    return once


def _prepare(path: Path) -> int:
    frame = pd.read_csv(path).rename(columns=NAMES)
    frame[Columns.Datetime] = pd.to_datetime(frame[Columns.Datetime], unit="s")
    interactions = Interactions(frame)
    for train, _, _ in LastNSplitter(n=1, n_splits=2).split(interactions):
        Dataset.construct(frame.iloc[train])
    return len(frame)


if __name__ == "__main__":
    serve(preparing=preparing)
