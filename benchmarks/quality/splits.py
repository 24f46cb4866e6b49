"""The published split of MovieLens 1M (He et al. 2017), and one inside its training to tune on."""

from pathlib import Path

import tastemaker as tm
from tastemaker.data.splitting import Targets

HELD_OUT = 3
"""Interactions of each user that settings are chosen on. The file has no times, so that which ones
is a random draw; three rather than one make differences between settings easier to see."""


def published(folder: Path) -> tm.Split:
    """All of the training file, each user's latest rating for the test, the paper's candidates."""
    return tm.predefined_split(
        tm.read_interactions(folder / "train.parquet", name="ncf-ml-1m"),
        tm.read_interactions(folder / "test.parquet"),
        candidates=tm.read_candidate_lists(folder / "negatives.parquet"),
        catalog=tm.read_catalog(folder / "items.parquet"),
    )


def for_tuning(folder: Path, seed: int = 0) -> tm.Split:
    """The training file alone, without three random interactions of each user: the validation part.

    Nothing of the test file is read.
    """
    data = tm.read(folder / "train.parquet", name="ncf-ml-1m")
    held = tm.leave_k_out(data, HELD_OUT, validation=False, by="random", seed=seed)
    assert held.test is not None
    validation = Targets(held.test.users, held.test.items)
    return tm.Split(held.train, validation=validation, method=held.method)
