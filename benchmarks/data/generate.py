"""Writes a data set of MovieLens 20M's size and official CSV layout, or Parquet, from a seed.

    python benchmarks/data/generate.py OUT/ml-20m [--rows 20000263] [--layout parquet]

Only the size and the layout are MovieLens'; who rated what is drawn at random, popular items more
often, no pair twice, each user's rows together as in the official file.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

N_USERS, N_ITEMS, N_ROWS = 138_493, 26_744, 20_000_263
FIRST_TIME, LAST_TIME = 789_652_009, 1_427_784_002


LAYOUTS = ("csv", "parquet")


def generate(folder: Path, n_rows: int, seed: int, layout: str) -> None:
    """Writes ratings.csv and movies.csv, or ratings.parquet; users scale with the rows."""
    random = np.random.default_rng(seed)
    pairs = _pairs(n_rows, random)
    users, items = np.divmod(pairs, N_ITEMS)
    movie_ids = np.sort(random.choice(131_262, N_ITEMS, replace=False)) + 1
    frame = pl.DataFrame(
        {
            "userId": (users + 1).astype(np.int32),
            "movieId": movie_ids[items].astype(np.int32),
            "rating": random.integers(1, 11, n_rows) / 2,
            "timestamp": random.integers(FIRST_TIME, LAST_TIME, n_rows),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    if layout == "parquet":
        frame.write_parquet(folder / "ratings.parquet")
        return
    frame.write_csv(folder / "ratings.csv")
    titles = [f"Invented Film {i} (2000)" for i in movie_ids]
    movies = pl.DataFrame({"movieId": movie_ids, "title": titles, "genres": "(no genres listed)"})
    movies.write_csv(folder / "movies.csv")


def _pairs(n_rows: int, random: np.random.Generator) -> np.ndarray:
    """(n_rows,) ascending keys user * N_ITEMS + item.

    What is larger than MovieLens 20M is drawn as several of it, each with users of its own, as one
    draw of all would take several times as long.
    """
    blocks, first_user = [], 0
    for start in range(0, n_rows, N_ROWS):
        size = min(N_ROWS, n_rows - start)
        n_users = max(1, round(N_USERS * size / N_ROWS))
        blocks.append(first_user * N_ITEMS + _distinct_pairs(n_users, size, random))
        first_user += n_users
    return np.concatenate(blocks)


def _distinct_pairs(n_users: int, n_rows: int, random: np.random.Generator) -> np.ndarray:
    """(n_rows,) ascending keys user * N_ITEMS + item; long-tailed in both."""
    pairs = np.array([], dtype=np.int64)
    while len(pairs) < n_rows:
        n_drawn = int(1.2 * (n_rows - len(pairs))) + 1_000
        users = (n_users * random.random(n_drawn) ** 1.5).astype(np.int64)
        items = (N_ITEMS * random.random(n_drawn) ** 3).astype(np.int64)
        pairs = np.unique(np.concatenate([pairs, users * N_ITEMS + items]))
    return np.sort(random.permutation(pairs)[:n_rows])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=N_ROWS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layout", choices=LAYOUTS, default="csv")
    arguments = parser.parse_args()
    generate(arguments.folder, arguments.rows, arguments.seed, arguments.layout)
