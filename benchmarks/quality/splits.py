"""The data sets as they are read, and the splits of MovieLens 1M that the NCF paper gives."""

from pathlib import Path

import polars as pl

import tastemaker as tm
from tastemaker.data.split import Targets

HELD_OUT = 3
"""Interactions of each user that settings are chosen on. The file has no times, so that which ones
is a random draw; three rather than one make differences between settings easier to see."""


def published(data: Path) -> tm.Split:
    """All of the training file, each user's latest rating for the test, the paper's candidates."""
    folder = data / "ncf-ml-1m"
    return tm.predefined_split(
        tm.read_interactions(folder / "train.parquet", name="ncf-ml-1m"),
        tm.read_interactions(folder / "test.parquet"),
        candidates=tm.read_candidate_lists(folder / "negatives.parquet"),
        catalog=tm.read_catalog(folder / "items.parquet"),
    )


def published_for_tuning(data: Path, seed: int = 0) -> tm.Split:
    """The training file alone, without three random interactions of each user: the validation part.

    Nothing of the test file is read.
    """
    interactions = tm.read(data / "ncf-ml-1m" / "train.parquet", name="ncf-ml-1m")
    held = tm.leave_k_out(interactions, HELD_OUT, validation=False, by="random", seed=seed)
    assert held.test is not None
    validation = Targets(held.test.users, held.test.items)
    return tm.Split(held.train, validation=validation, method=held.method)


def by_order(data: Path, name: str) -> tm.Dataset:
    """Interactions whose time is their place in their user's history."""
    return tm.read(data / name / "interactions.parquet", name=name)


def attributed(data: Path) -> tm.Dataset:
    """Amazon Beauty, with the items' attributes (codes of categories and brand) as categories."""
    items = pl.read_parquet(data / "amazon-beauty" / "items.parquet")
    catalog = tm.Catalog.from_frame(items.rename({"attributes": "categories"}), "items.parquet")
    return by_order(data, "amazon-beauty").with_catalog(catalog)
