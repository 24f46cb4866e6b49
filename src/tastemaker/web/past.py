"""The history page: the visitor's history, and the deletion of their data."""

from collections.abc import Sequence
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from tastemaker import wire
from tastemaker.web.cards import card_of
from tastemaker.web.site import Site, go
from tastemaker.web.storefront import noticed
from tastemaker.web.visitor import form_of

SHOWN = 100


async def history(site: Site, request: Request) -> Response:
    """Shows the visitor's history, which recommendations are based on, the latest item first."""
    user = site.visitors.of(request)
    if user is None:
        return go(request, "/welcome")
    known = await site.api.history(user, SHOWN)
    return site.page(
        request, "history.html", images=_images(known.items), lines=[*map(_line, known.items)],
        most=SHOWN, notice=await noticed(site, request), title="Your history",
    )  # fmt: skip


async def forget(site: Site, request: Request) -> Response:
    """Deletes the visitor's data and the cookie with their user id."""
    await form_of(request)
    user = site.visitors.of(request)
    if user is None:
        return go(request, "/welcome")
    gone = await site.api.forget(user)
    said = {"forgotten": gone.events}
    if gone.until_next_training:
        said["remains"] = 1
    response = go(request, f"/welcome?{urlencode(said)}")
    site.visitors.leave(response, request)
    return response


def _line(item: wire.HistoryItem) -> dict[str, object]:
    return {"card": card_of(item), "timestamp": item.timestamp, "origin": item.origin}


def _images(items: Sequence[wire.HistoryItem]) -> list[str | None]:
    return [item.image_url for item in items]
