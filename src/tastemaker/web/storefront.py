"""The storefront: the first page, and the actions that record and remove a like."""

import secrets
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from tastemaker import wire
from tastemaker.errors import ServiceError
from tastemaker.web.addresses import own_path
from tastemaker.web.cards import card_of
from tastemaker.web.inputs import InputError, event_id_in, id_in
from tastemaker.web.shelves import shelves_of
from tastemaker.web.site import Site, is_fragment, redirect
from tastemaker.web.visitor import form_of


async def home(site: Site, request: Request) -> Response:
    """Shows the rows for the visitor; redirects a new visitor to the welcome page."""
    user = site.visitors.of(request)
    if user is None:
        return redirect(request, "/welcome")
    return await _rows(site, request, user, await notice_for(site, request))


async def like(site: Site, request: Request) -> Response:
    """Records that the visitor likes an item."""
    form = await form_of(request)
    user, item = site.visitors.of(request), id_in(form["item"], "item")
    if user is None:
        return redirect(request, "/welcome")
    event_id = event_id_in(f"page-{form['event'] or secrets.token_hex(16)}")
    event = wire.Event(user_id=user, item_id=item, type=site.like_type, event_id=event_id)
    await site.api.record([event])
    return await _updated_page(site, request, form["back"], user, "liked", item)


async def unlike(site: Site, request: Request) -> Response:
    """Removes an item from the visitor's history."""
    form = await form_of(request)
    user, item = site.visitors.of(request), id_in(form["item"], "item")
    if user is None:
        return redirect(request, "/welcome")
    await site.api.retract(user, item)
    return await _updated_page(site, request, form["back"], user, "unliked", item)


async def notice_for(
    site: Site, request: Request, done: dict[str, str] | None = None
) -> dict | None:
    """Describes the action just taken and how to undo it; None without one or without its item."""
    parameters = request.query_params if done is None else done
    for kind, (words, undo) in NOTICES.items():
        if kind in parameters:
            try:
                item = id_in(parameters[kind], kind)
                name = card_of(await site.api.item(item)).name
            except InputError:
                return None
            except ServiceError as error:
                if error.status not in (404, 422):
                    raise
                return None
            return {"words": words, "name": name, "item": item, "undo": undo, "kind": kind}
    return None


NOTICES = {
    "liked": ("was added to your history.", "/unlike"),
    "unliked": ("was removed from your history.", "/like"),
}


async def _updated_page(
    site: Site, request: Request, return_url: str, user: str, kind: str, item: str
) -> Response:
    """The updated rows for the pages' own script, else a redirect to the page with the form."""
    if is_fragment(request):
        return await _rows(site, request, user, await notice_for(site, request, {kind: item}))
    path, _, query = own_path(request, return_url).partition("?")
    other_parameters = [
        part for part in query.split("&") if part.partition("=")[0] not in (*NOTICES, "")
    ]
    return redirect(request, f"{path}?{'&'.join([*other_parameters, urlencode({kind: item})])}")


async def _rows(site: Site, request: Request, user: str, notice: dict | None) -> Response:
    shelves = await shelves_of(site.api, user)
    images = [card.image_url for row in shelves.rows for card in row.cards]
    return site.page(
        request, "home.html", images=images, shelves=shelves, notice=notice, title="For you"
    )
