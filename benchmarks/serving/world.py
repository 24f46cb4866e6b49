"""A run to serve: 27,000 items with titles and categories, and a model of the size of real ones."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import tastemaker as tm

CATEGORIES = ("Action", "Comedy", "Drama", "Horror", "Romance", "Thriller", "War", "Western")


def make_run(folder: Path, model: str, n_items: int, n_users: int = 5_000) -> None:
    """Trains one epoch on generated data and saves the run; what is learned does not matter."""
    random = np.random.default_rng(0)
    lengths = 10 + random.geometric(1 / 40, n_users)
    users = np.repeat(np.arange(n_users), lengths)
    items = (n_items * random.random(len(users)) ** 2.0).astype(np.int64)
    # Every item once, so that the catalog has all of them.
    users = np.concatenate([users, random.integers(0, n_users, n_items)])
    items = np.concatenate([items, np.arange(n_items)])
    frame = pl.DataFrame(
        {"user_id": users, "item_id": items, "timestamp": 1_600_000_000 + np.arange(len(users))}
    )
    catalog = pl.DataFrame(
        {
            "item_id": np.arange(n_items),
            "title": [f"Item number {item} (2001)" for item in range(n_items)],
            "categories": ["|".join(random.choice(CATEGORIES, 2)) for _ in range(n_items)],
        }
    )
    data = tm.read(frame, items=catalog)
    kind = tm.model_class(model)
    short: dict[str, Any] = {"epochs": 1, "half_life_events": None}
    settings = {name: short[name] for name in short.keys() & kind.config_class.model_fields.keys()}
    tm.save_run(folder, kind(**settings).fit(tm.no_holdout(data)))
