"""The catalog: the search page, and the page of an item."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from tastemaker import wire
from tastemaker.errors import ServiceError
from tastemaker.web.cards import card_of
from tastemaker.web.inputs import category_in, id_in, search_text_in
from tastemaker.web.site import Site
from tastemaker.web.storefront import notice_for

MAX_RESULTS = 48
N_SIMILAR = 16
N_SEARCHED_FOR_REASONS = 120


async def search(site: Site, request: Request) -> Response:
    """Shows the items that match the search text, the category, or both."""
    text, category = search_text_in(request), category_in(request)
    results, categories, notice = await asyncio.gather(
        _search(site, text, category), site.api.categories(), notice_for(site, request)
    )
    cards = [card_of(item) for item in results.items]
    return site.page(
        request, "search.html", images=[card.image_url for card in cards], cards=cards, text=text,
        category=category, categories=categories[:16], more=results.next_cursor is not None,
        notice=notice, title="Search",
    )  # fmt: skip


async def item(site: Site, request: Request) -> Response:
    """Shows an item, the reasons to recommend it, and similar items."""
    item_id, user = id_in(request.path_params["item_id"], "item"), site.visitors.of(request)
    found, similar, (liked, because), notice = await asyncio.gather(
        site.api.item(item_id), _similar(site, item_id), _liked_or_reasons(site, user, item_id),
        notice_for(site, request),
    )  # fmt: skip
    card = card_of(found, because)
    cards = [card_of(other) for other in similar]
    return site.page(
        request, "item.html", images=[each.image_url for each in [card, *cards]], card=card,
        cards=cards, item=found, liked=liked, notice=notice, title=card.name,
    )  # fmt: skip


async def _search(site: Site, text: str, category: str) -> wire.Items:
    if not text and not category:
        return wire.Items(items=[])
    return await site.api.search(text, category, MAX_RESULTS)


async def _similar(site: Site, item_id: str) -> list[wire.RecommendedItem]:
    try:
        return (await site.api.similar(item_id, N_SIMILAR)).items
    except ServiceError as error:
        if error.status not in (404, 422):
            raise
        return []


async def _liked_or_reasons(
    site: Site, user: str | None, item_id: str
) -> tuple[bool, list[wire.Reason] | None]:
    """Whether the item is in the visitor's history, and if not, the reasons to recommend it."""
    if user is None:
        return False, None
    history = await site.api.history(user, wire.LONGEST_HISTORY)
    if any(str(liked.item_id) == item_id for liked in history.items):
        return True, None
    try:
        recommendations = await site.api.recommend(user, k=N_SEARCHED_FOR_REASONS, explain=True)
    except ServiceError as error:
        if error.status != 422:
            raise
        return False, None
    reasons = {
        str(recommended.item_id): recommended.because for recommended in recommendations.items
    }
    return False, reasons.get(item_id)
