"""The split published with the NCF paper, for contenders that read pandas frames."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(n,) user ids and (n, c) item ids to (n, c) scores."""

USERS_AT_ONCE = 512


def train_pairs(data: Path) -> pd.DataFrame:
    """user_id, item_id; 994,169 rows."""
    return pd.read_parquet(data / "ncf-ml-1m" / "train.parquet")


def test_pairs(data: Path) -> pd.DataFrame:
    """user_id, item_id; one row a user."""
    return pd.read_parquet(data / "ncf-ml-1m" / "test.parquet")[["user_id", "item_id"]]


class CandidateLists:
    """Each user's held-out item among the paper's 99 others."""

    def __init__(self, data: Path) -> None:
        negatives = pd.read_parquet(data / "ncf-ml-1m" / "negatives.parquet")
        lists = test_pairs(data).merge(negatives, on="user_id")
        self.users = lists["user_id"].to_numpy()
        others = np.stack(lists["negatives"].to_numpy())
        self.items = np.column_stack([lists["item_id"].to_numpy(), others])

    def hit_rate(self, score: Score, k: int = 10) -> float:
        """The share of users whose held-out item is among the first k; ties count against it."""
        hits = 0
        for start in range(0, len(self.users), USERS_AT_ONCE):
            part = slice(start, start + USERS_AT_ONCE)
            scores = score(self.users[part], self.items[part])
            ranks = 1 + (scores[:, 1:] >= scores[:, :1]).sum(axis=1)
            hits += int((ranks <= k).sum())
        return hits / len(self.users)
