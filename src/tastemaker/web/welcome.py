"""The welcome page: a new visitor picks items, or views the site as a known user."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tastemaker import wire
from tastemaker.errors import ServiceError
from tastemaker.web.cards import Card, card_of
from tastemaker.web.inputs import id_in, search_text_in
from tastemaker.web.rows import varied
from tastemaker.web.site import Site, redirect
from tastemaker.web.visitor import form_of, new_visitor

ENOUGH_PICKS = 5
"""Number of picks that is enough for a useful first page."""

MAX_PICKS = 50
N_SHOWN, MAX_FOUND = 35, 20
N_POPULAR = 150
N_KNOWN_USERS = 6
"""Number of known users that a visitor is offered to view the site as."""


async def welcome(site: Site, request: Request) -> Response:
    """Shows a grid of popular titles of varied categories, and a search for others."""
    query = request.query_params
    text, picked = search_text_in(request), _picked(query.getlist("pick"))
    trending, found, chosen, known = await asyncio.gather(
        site.api.trending(N_POPULAR),
        _found_cards(site, text),
        _picked_cards(site, picked),
        _known_users(site),
    )
    popular = [card_of(item) for item in varied(trending.items, N_SHOWN)]
    cards = list({card.item_id: card for card in [*chosen, *found, *popular]}.values())
    context: dict[str, Any] = {
        "cards": cards, "picked": set(picked), "text": text, "n_found": len(found),
        "known": known, "wanted": ENOUGH_PICKS, "title": "Welcome",
        "forgotten": query.get("forgotten"), "remains": query.get("remains"),
    }  # fmt: skip
    return site.page(
        request, "welcome.html", images=[card.image_url for card in cards], notice=None, **context
    )


async def create_visitor(site: Site, request: Request) -> Response:
    """Gives a new visitor an id, and records their picks."""
    form = await form_of(request)
    picked = _picked(form.all("pick"))
    user = new_visitor()
    if picked:
        events = [wire.Event(user_id=user, item_id=item, type=site.like_type) for item in picked]
        await site.api.record(events)
    response = redirect(request, "/")
    site.visitors.set_user_id(response, request, user)
    return response


async def view_as(site: Site, request: Request) -> Response:
    """Lets the visitor view the site as the user with the given id.

    Raises:
        ServiceError: the visitors of these pages may not choose their user id.
    """
    form = await form_of(request)
    if not site.visitors.may_choose:
        raise ServiceError(
            "these pages do not allow visitors to view the site as another user; operators of the "
            "service can see the lists of any user on the desk",
            status=403,
        )
    user = id_in(form["user"].strip(), "user")
    response = redirect(request, "/")
    site.visitors.set_user_id(response, request, user)
    return response


def _picked(item_ids: list[str]) -> list[str]:
    """The ids of the titles that were ticked, each once."""
    return [id_in(item, "pick") for item in dict.fromkeys(item_ids[:MAX_PICKS])]


async def _found_cards(site: Site, text: str) -> list[Card]:
    if not text:
        return []
    return [card_of(item) for item in (await site.api.search(text, limit=MAX_FOUND)).items]


async def _picked_cards(site: Site, picked: list[str]) -> list[Card]:
    """The cards of the ticked items, which stay visible during further searches."""
    items = await asyncio.gather(*map(site.api.item, picked), return_exceptions=True)
    return [card_of(item) for item in items if isinstance(item, wire.Item)]


async def _known_users(site: Site) -> list[wire.KnownUser]:
    """A few users of the training data, if a visitor may view the site as one of them."""
    if not site.visitors.may_choose:
        return []
    try:
        return await site.api.known_users(N_KNOWN_USERS)
    except ServiceError:
        return []  # the service requires an admin key for this; a visitor can still type an id
