"""Interactions of the size of a public data set, generated in memory."""

import numpy as np
import polars as pl

import tastemaker as tm

Size = tuple[int, int, int]
"""Users, items, interactions."""

MOVIELENS_20M: Size = (138_493, 26_744, 20_000_263)
GAMES: Size = (31_013, 23_715, 287_107)
"""The video games of the SASRec paper."""


def generated(size: Size, seed: int = 0) -> tm.Dataset:
    """Long-tailed in users and items, no pair twice, as benchmarks/data/generate.py draws them."""
    n_users, n_items, n = size
    random = np.random.default_rng(seed)
    pairs = np.array([], dtype=np.int64)
    while len(pairs) < n:
        n_drawn = int(1.2 * (n - len(pairs))) + 1_000
        users = (n_users * random.random(n_drawn) ** 1.5).astype(np.int64)
        items = (n_items * random.random(n_drawn) ** 3).astype(np.int64)
        pairs = np.unique(np.concatenate([pairs, users * n_items + items]))
    pairs = np.sort(random.permutation(pairs)[:n])
    users, items = np.divmod(pairs, n_items)
    return tm.read(pl.DataFrame({"user_id": users, "item_id": items, "timestamp": np.arange(n)}))
