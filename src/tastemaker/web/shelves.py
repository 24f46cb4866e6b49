"""Shelves: the requests that the first page makes, and the order of its rows."""

import asyncio
from dataclasses import dataclass
from typing import Any

from tastemaker import wire
from tastemaker.errors import ServiceError
from tastemaker.web.api import Api
from tastemaker.web.rows import (
    BECAUSE_ROWS,
    CATEGORY_ROWS,
    IN_A_ROW,
    CardRow,
    Shelf,
    because_title,
    favourites,
    grouped,
)

ENOUGH = 120
"""Length of the requested lists; long enough to fill the rows that are chosen from them."""

FROM_HISTORY = 300
"""Maximum number of items of the history that are requested."""

DIVERSITY = 0.7


@dataclass(frozen=True)
class Shelves:
    """The first page of one user."""

    rows: list[CardRow]
    n_known: int
    """Number of items in the history, at most FROM_HISTORY."""
    degraded: bool

    @property
    def known_words(self) -> str:
        """The length of the history in words."""
        if self.n_known == FROM_HISTORY:
            return f"{FROM_HISTORY} or more titles"
        return f"{self.n_known} title{'' if self.n_known == 1 else 's'}"


async def shelves_of(api: Api, user: str) -> Shelves:
    """Requests what the page needs, concurrently where possible, and fills its rows.

    Raises:
        ServiceError: the service rejected a request.
    """
    history, listed, trending, sizes = await asyncio.gather(
        api.history(user, FROM_HISTORY),
        _explained(api, user, k=ENOUGH),
        api.trending(ENOUGH),
        api.categories(),
    )
    shelf = Shelf(item.item_id for item in history.items)
    if listed.source == "model":
        shelf.add("top", "Top picks for you", listed.items)
    because = await _because(api, listed, history)
    for name, title, items in because[:2]:
        shelf.add(name, title, items)
    shelf.add("trending", "Trending now", trending.items)
    for name, title, items in because[2:]:
        shelf.add(name, title, items)
    await _favourites(api, user, shelf, favourites(history.items, sizes)[:CATEGORY_ROWS])
    await _different(api, user, shelf)
    degraded = listed.degraded or history.degraded
    return Shelves(shelf.rows, len(history.items), degraded)


async def _because(
    api: Api, listed: wire.RecommendationList, history: wire.UserHistory
) -> list[tuple[str, str, list[wire.RecommendedItem]]]:
    """Rows based on one item each: recommendations that it explains, then items similar to it."""
    latest = [item.item_id for item in history.items]
    groups = grouped(listed.items[IN_A_ROW:], latest)[:BECAUSE_ROWS]
    spoken = [(group.reason.item_id, group.reason.title, group.items) for group in groups]
    taken = {item_id for item_id, _, _ in spoken}
    others = [item for item in history.items if item.item_id not in taken]
    spoken += [(item.item_id, item.title, ()) for item in others[: BECAUSE_ROWS - len(spoken)]]
    similar = await asyncio.gather(
        *(_filling(api, item_id, len(items)) for item_id, _, items in spoken)
    )
    return [
        # Recommendations come first; items that are merely similar fill the row.
        (f"because-{item_id}", because_title(title, item_id), [*items, *more])
        for (item_id, title, items), more in zip(spoken, similar, strict=True)
    ]


async def _favourites(api: Api, user: str, shelf: Shelf, names: list[str]) -> None:
    lists = await asyncio.gather(
        *(_explained(api, user, k=ENOUGH, categories=[name]) for name in names)
    )
    for place, (name, found) in enumerate(zip(names, lists, strict=True)):
        shelf.add(f"category-{place}", f"{name} for you", found.items)


async def _different(api: Api, user: str, shelf: Shelf) -> None:
    try:
        found = await api.recommend_without(
            user, sorted(shelf.used), k=IN_A_ROW, diversity=DIVERSITY
        )
    except ServiceError as error:
        if error.status != 422:
            raise
        return  # a model without item similarity
    shelf.add("different", "Something different", found.items)


async def _explained(api: Api, user: str, **listing: Any) -> wire.RecommendationList:
    """A list with explanations, or without them if the model cannot give any."""
    try:
        return await api.recommend(user, explain=True, **listing)
    except ServiceError as error:
        if error.status != 422:
            raise
        return await api.recommend(user, **listing)


async def _filling(api: Api, item: wire.Id, n: int) -> list[wire.RecommendedItem]:
    """Items similar to an item, if its n recommendations do not fill a row."""
    if n >= IN_A_ROW:
        return []
    try:
        return (await api.similar(str(item), 3 * IN_A_ROW)).items
    except ServiceError as error:
        if error.status not in (404, 422):
            raise
        return []  # an item new since the training, or a model without item similarity
