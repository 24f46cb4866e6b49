"""Shelves: the requests that the first page makes, and the order of its rows."""

import asyncio
from dataclasses import dataclass
from typing import Any

from tastemaker import wire
from tastemaker.errors import ServiceError
from tastemaker.web.api import Api
from tastemaker.web.inputs import valid_ids
from tastemaker.web.rows import (
    BECAUSE_ROWS,
    CATEGORY_ROWS,
    ROW_LENGTH,
    CardRow,
    RowBuilder,
    because_title,
    favourites,
    grouped,
)

LIST_LENGTH = 120
"""Length of the requested lists; long enough to fill the rows that are chosen from them."""

MAX_HISTORY_ITEMS = wire.LONGEST_HISTORY
"""Maximum number of items of the history that are requested. Of a longer one the page does not show
what any user may get, such as trending items, since only the service knows the rest of it."""

DIVERSITY = 0.7


@dataclass(frozen=True)
class Shelves:
    """The first page of one user."""

    rows: list[CardRow]
    n_known: int
    """Number of items in the history, at most MAX_HISTORY_ITEMS."""
    degraded: bool

    @property
    def known_words(self) -> str:
        """The length of the history in words."""
        if self.n_known == MAX_HISTORY_ITEMS:
            return f"{MAX_HISTORY_ITEMS} or more titles"
        return f"{self.n_known} title{'' if self.n_known == 1 else 's'}"


async def shelves_of(api: Api, user: str) -> Shelves:
    """Requests what the page needs, concurrently where possible, and fills its rows.

    Raises:
        ServiceError: the service rejected a request.
    """
    history, recommendations, trending, sizes = await asyncio.gather(
        api.history(user, MAX_HISTORY_ITEMS),
        _with_reasons(api, user, k=LIST_LENGTH),
        api.trending(LIST_LENGTH),
        api.categories(),
    )
    row_builder = RowBuilder(item.item_id for item in history.items)
    if recommendations.source == "model":
        row_builder.add("top", "Top picks for you", recommendations.items)
    because = await _because_rows(api, recommendations, history)
    for name, title, items in because[:2]:
        row_builder.add(name, title, items)
    if len(history.items) < MAX_HISTORY_ITEMS:
        row_builder.add("trending", "Trending now", trending.items)
    for name, title, items in because[2:]:
        row_builder.add(name, title, items)
    await _add_favourite_rows(
        api, user, row_builder, favourites(history.items, sizes)[:CATEGORY_ROWS]
    )
    shown = [card.item_id for row in row_builder.rows for card in row.cards]
    known = [str(item.item_id) for item in history.items]
    await _add_different_row(api, user, row_builder, [*shown, *known])
    degraded = recommendations.degraded or history.degraded
    return Shelves(row_builder.rows, len(history.items), degraded)


async def _because_rows(
    api: Api, recommendations: wire.RecommendationList, history: wire.UserHistory
) -> list[tuple[str, str, list[wire.RecommendedItem]]]:
    """Rows based on one item each: recommendations that it explains, then items similar to it."""
    latest = [item.item_id for item in history.items]
    groups = grouped(recommendations.items[ROW_LENGTH:], latest)[:BECAUSE_ROWS]
    reasons = [(group.reason.item_id, group.reason.title, group.items) for group in groups]
    reason_ids = {item_id for item_id, _, _ in reasons}
    if len(history.items) == MAX_HISTORY_ITEMS:
        return [(*_heading(title, item_id), [*items]) for item_id, title, items in reasons]
    others = [item for item in history.items if item.item_id not in reason_ids]
    reasons += [(item.item_id, item.title, ()) for item in others[: BECAUSE_ROWS - len(reasons)]]
    similar = await asyncio.gather(
        *(_similar_if_short(api, item_id, len(items)) for item_id, _, items in reasons)
    )
    return [
        # Recommendations come first; items that are merely similar fill the row.
        (*_heading(title, item_id), [*items, *similar_items])
        for (item_id, title, items), similar_items in zip(reasons, similar, strict=True)
    ]


def _heading(title: str | None, item_id: wire.Id) -> tuple[str, str]:
    """The name and the title of a row based on an item."""
    return f"because-{item_id}", because_title(title, item_id)


async def _add_favourite_rows(
    api: Api, user: str, row_builder: RowBuilder, names: list[str]
) -> None:
    lists = await asyncio.gather(
        *(_with_reasons(api, user, k=LIST_LENGTH, categories=[name]) for name in names)
    )
    for position, (name, recommendations) in enumerate(zip(names, lists, strict=True)):
        row_builder.add(f"category-{position}", f"{name} for you", recommendations.items)


async def _add_different_row(api: Api, user: str, row_builder: RowBuilder, used: list[str]) -> None:
    exclude = valid_ids(used)[: wire.LONGEST_HISTORY]
    try:
        recommendations = await api.recommend_without(
            user, exclude, k=ROW_LENGTH, diversity=DIVERSITY, exclude_seen=True
        )
    except ServiceError as error:
        if error.status != 422:
            raise
        return  # a model without item similarity
    row_builder.add("different", "Something different", recommendations.items)


async def _with_reasons(api: Api, user: str, **listing: Any) -> wire.RecommendationList:
    """A list of new items with explanations, or without them if the model cannot give any."""
    try:
        return await api.recommend(user, explain=True, exclude_seen=True, **listing)
    except ServiceError as error:
        if error.status != 422:
            raise
        return await api.recommend(user, exclude_seen=True, **listing)


async def _similar_if_short(api: Api, item: wire.Id, n: int) -> list[wire.RecommendedItem]:
    """Items similar to an item, if its n recommendations do not fill a row."""
    if n >= ROW_LENGTH:
        return []
    try:
        return (await api.similar(str(item), 3 * ROW_LENGTH)).items
    except ServiceError as error:
        if error.status not in (404, 422):
            raise
        return []  # an item new since the training, or a model without item similarity
