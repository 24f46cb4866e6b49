"""The history page: the visitor's history, and the deletion of their data."""

from collections.abc import Sequence
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from tastemaker import wire
from tastemaker.web.cards import card_of
from tastemaker.web.site import Site, redirect
from tastemaker.web.storefront import notice_for
from tastemaker.web.visitor import form_of

MAX_SHOWN = 100


async def history(site: Site, request: Request) -> Response:
    """Shows the visitor's history, which recommendations are based on, the latest item first."""
    user = site.visitors.of(request)
    if user is None:
        return redirect(request, "/welcome")
    user_history = await site.api.history(user, MAX_SHOWN)
    return site.page(
        request, "history.html", images=_images(user_history.items),
        lines=[*map(_row_of, user_history.items)], most=MAX_SHOWN,
        notice=await notice_for(site, request), title="Your history",
    )  # fmt: skip


async def forget(site: Site, request: Request) -> Response:
    """Deletes the visitor's data and the cookie with their user id."""
    await form_of(request)
    user = site.visitors.of(request)
    if user is None:
        return redirect(request, "/welcome")
    forgotten = await site.api.forget(user)
    query = {"forgotten": forgotten.events}
    if forgotten.until_next_training:
        query["remains"] = 1
    response = redirect(request, f"/welcome?{urlencode(query)}")
    site.visitors.clear_user_id(response, request)
    return response


def _row_of(item: wire.HistoryItem) -> dict[str, object]:
    return {"card": card_of(item), "timestamp": item.timestamp, "origin": item.origin}


def _images(items: Sequence[wire.HistoryItem]) -> list[str | None]:
    return [item.image_url for item in items]
