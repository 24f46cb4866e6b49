"""Worlds: tiny data sets for which the correct recommendations are known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from tastemaker.data.catalog import Catalog
from tastemaker.data.columns import Columns
from tastemaker.data.dataset import Dataset
from tastemaker.data.interactions import Interactions


def dataset_of(
    histories: dict[int, list[int]] | dict[str, list[str]],
    name: str = "world",
    category: Callable[[Any], str] | None = None,
) -> Dataset:
    """Makes a data set of histories, oldest first, with positions as times and made-up titles.

    Args:
        histories: maps each user to items.
        name: the name of the data set.
        category: returns an item's only category; without it, the catalog has no categories.
    """
    frame = pl.DataFrame(
        {
            "user_id": [user for user, items in histories.items() for _ in items],
            "item_id": [item for items in histories.values() for item in items],
            "timestamp": [time for items in histories.values() for time in range(len(items))],
        }
    )
    columns = Columns(user="user_id", item="item_id", time="timestamp")
    ids = frame["item_id"].unique().sort()
    known = pl.DataFrame({"item_id": ids, "title": [f"Item {item}" for item in ids]})
    if category is not None:
        known = known.with_columns(categories=pl.Series([[category(item)] for item in ids]))
    interactions = Interactions.from_frame(frame, columns, name)
    return Dataset.from_interactions(interactions, Catalog(known))


def checkerboard(n: int = 40, *, text_ids: bool = False, seed: int = 0) -> Dataset:
    """Even users touched all even items but one, and odd users all odd items but one.

    Correct recommendation: for every user, the remaining item of the user's own parity, which is
    item u for user u (from 0). An item's category is its parity. With `text_ids`, the ids are u0,
    u1, … and i0, i1, …
    """
    random = np.random.default_rng(seed)
    histories = {}
    for user in range(n):
        own = [item for item in range(user % 2, n, 2) if item != user]
        histories[user] = [int(item) for item in random.permutation(own)]
    if text_ids:
        named = {f"u{user}": [f"i{i}" for i in items] for user, items in histories.items()}
        return dataset_of(named, "checkerboard", lambda item: str(int(item[1:]) % 2))
    return dataset_of(histories, "checkerboard", lambda item: str(item % 2))


def two_tastes(n_users: int = 60, n_items: int = 40, length: int = 10, seed: int = 0) -> Dataset:
    """Half of the users touch only the first half of the items, the others only the second.

    Correct recommendation: the first items of a user's list are of the taste that the history
    shows. The items' categories are these tastes.
    """
    random = np.random.default_rng(seed)
    half = n_items // 2
    return dataset_of(
        {
            user: [
                int(item) + half * (user % 2) for item in random.choice(half, length, replace=False)
            ]
            for user in range(n_users)
        },
        "two tastes",
        lambda item: "low" if item < half else "high",
    )


def drifting(n_users: int = 300, n_groups: int = 30, seed: int = 0) -> Dataset:
    """Users go from one group of six items to another, after four items each time.

    Correct recommendation: the other items of the group of the user's last item, which older
    interactions do not tell.
    """
    random = np.random.default_rng(seed)
    histories = {}
    for user in range(n_users):
        groups = random.choice(n_groups, 6, replace=False)
        walk = [6 * int(g) + int(i) for g in groups for i in random.choice(6, 4, replace=False)]
        histories[user] = walk[: random.integers(12, 24)]
    return dataset_of(histories, "drifting")


def one_item_left(n_users: int = 8, n_items: int = 6) -> Dataset:
    """All users but the last have touched all items but one; the last user has touched one item.

    Correct recommendation: for each user u but the last, only item u % n_items, however many items
    are requested.
    """
    histories = {
        user: [item for item in range(n_items) if item != user % n_items] for user in range(n_users)
    }
    histories[n_users] = [0]
    return dataset_of(histories, "one item left", lambda item: f"shelf {item}")


def untouched_item() -> Dataset:
    """The world of `one_item_left` with one more item in the catalog, 6, that no user touched.

    Correct recommendation: an interaction with item 6 does not change what is recommended, since
    nothing is known about the item, not even a category.
    """
    data = one_item_left()
    known = data.catalog.frame
    new = pl.DataFrame({"item_id": [6], "title": ["Item 6"], "categories": [[]]}, known.schema)
    return data.with_catalog(Catalog(pl.concat([known, new])), untouched_items=True)
