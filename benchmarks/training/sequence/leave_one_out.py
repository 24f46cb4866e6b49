"""Leave-one-out by the given order, for contenders that read pandas frames."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd


@dataclass(frozen=True)
class Parts:
    """A user needs two interactions to be tested and three to be validated on."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame

    @property
    def known(self) -> pd.DataFrame:
        """What a model may know when it is tested."""
        return pd.concat([self.train, self.validation], ignore_index=True)


def leave_one_out(interactions: Path) -> Parts:
    """The last interaction of a user is the test, the last but one the validation part."""
    frame = pd.read_parquet(interactions).sort_values(["user_id", "timestamp"], kind="stable")
    users = frame.groupby("user_id")["item_id"]
    count, from_end = users.transform("size"), users.cumcount(ascending=False)
    test = (from_end == 0) & (count > 1)
    validation = (from_end == 1) & (count > 2)
    return Parts(frame[~test & ~validation], frame[validation], frame[test])
