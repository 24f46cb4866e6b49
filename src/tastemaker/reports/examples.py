"""Examples: a few users, their histories, and the list of each model for them."""

from dataclasses import dataclass

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Part, Split
from tastemaker.data.users import UserBatch
from tastemaker.models.recommender import Recommender

MAX_SHOWN_HISTORY = 8
"""Largest number of latest interactions that an example shows."""


@dataclass(frozen=True)
class ShownItem:
    """An item as the report shows it."""

    item_id: str
    title: str | None = None
    categories: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The title, or the id if there is no title."""
        return self.title or self.item_id


@dataclass(frozen=True)
class ExampleList:
    """The list that one model would have shown the user, best first."""

    model: str
    items: tuple[ShownItem, ...]
    hits: tuple[bool, ...]
    """For each item, whether it was held out, so that the user did choose it."""
    ranks: tuple[int | None, ...]
    """For each held-out item, its rank from 1 among all items that the model can show; None if it
    cannot show the item."""


@dataclass(frozen=True)
class Example:
    """One user: what was known, what was held out, and every model's list."""

    user_id: str
    activity: str
    """light, regular or heavy: the user's third of the evaluated users, by activity."""
    n_known: int
    """Number of interactions known when the lists were made."""
    history: tuple[ShownItem, ...]
    """The latest known interactions, newest first."""
    held_out: tuple[ShownItem, ...]
    lists: tuple[ExampleList, ...]
    n_ranked: int
    """Number of items that the lists were chosen from: those that may be recommended to the user,
    which with repeats="keep" include those of the history."""


def examples(
    models: dict[str, Recommender], split: Split, part: Part = "test", n: int = 3, k: int = 10
) -> list[Example]:
    """Selects users from the least to the most active, by their activity and not by the results.

    Args:
        models: label to model, each fitted on the training part of the split.
        split: holds the part that was held out.
        part: the held-out part, which also decides which interactions count as known.
        n: the number of users; fewer if fewer were evaluated.
        k: the length of the lists.

    Raises:
        SplitError: nothing was held out.
    """
    known, targets = split.known_before(part), split.targets(part)
    users, activities = _users_by_activity(known, np.unique(targets.users), n)
    batch = UserBatch.known(known, users)
    ranked = {name: _rank_all_items(model, batch) for name, model in models.items()}
    return [
        _example(
            known,
            user,
            activity,
            targets.items[targets.users == user],
            {name: lists[place] for name, lists in ranked.items()},
            k,
        )
        for place, (user, activity) in enumerate(zip(users, activities, strict=True))
    ]


def _users_by_activity(
    known: Dataset, evaluated_users: np.ndarray, n: int
) -> tuple[np.ndarray, list[str]]:
    """Returns the users in the middle of n equal parts by activity, and their activity in words."""
    by_activity = evaluated_users[np.argsort(known.user_counts[evaluated_users], kind="stable")]
    n = min(n, len(evaluated_users))
    fractions = (np.arange(n) + 0.5) / n
    names = [("light", "regular", "heavy")[int(fraction * 3)] for fraction in fractions]
    return by_activity[(fractions * len(evaluated_users)).astype(np.int64)], names


def _rank_all_items(model: Recommender, users: UserBatch) -> list[np.ndarray]:
    """Returns for each user the codes of all items that may be shown, best first."""
    return [
        codes[:length]
        for _, items, _, lengths in model.top_items(users, model.dataset.n_items)
        for codes, length in zip(items, lengths, strict=True)
    ]


def _example(
    known: Dataset,
    user: int,
    activity: str,
    held_out: np.ndarray,
    ranked: dict[str, np.ndarray],
    k: int,
) -> Example:
    history = known.history(user)
    return Example(
        user_id=str(known.user_vocabulary.ids[int(user)]),
        activity=activity,
        n_known=len(history),
        history=_items(known, history[::-1][:MAX_SHOWN_HISTORY]),
        held_out=_items(known, held_out),
        lists=tuple(
            ExampleList(
                model=name,
                items=_items(known, codes[:k]),
                hits=tuple(np.isin(codes[:k], held_out).tolist()),
                ranks=tuple(_rank(codes, item) for item in held_out),
            )
            for name, codes in ranked.items()
        ),
        n_ranked=max(len(codes) for codes in ranked.values()),
    )


def _rank(ranked: np.ndarray, item: int) -> int | None:
    found = np.flatnonzero(ranked == item)
    return int(found[0]) + 1 if len(found) else None


def _items(known: Dataset, codes: np.ndarray) -> tuple[ShownItem, ...]:
    """Returns the items with their ids, and their titles and categories where known."""
    rows = known.catalog.frame[codes.astype(np.int64)].iter_rows(named=True)
    ids = known.item_vocabulary.decode(codes)
    return tuple(
        ShownItem(str(item_id), row.get("title"), tuple(row.get("categories") or ()))
        for item_id, row in zip(ids, rows, strict=True)
    )
