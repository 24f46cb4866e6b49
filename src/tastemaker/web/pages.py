"""The pages: the routes and their handlers."""

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Scope
from typing_extensions import override

from tastemaker.errors import ServiceError
from tastemaker.web import catalog, desk, history, reference, storefront, welcome
from tastemaker.web.api import Api
from tastemaker.web.assets import static
from tastemaker.web.site import Handler, Site, with_error_pages
from tastemaker.web.visitor import Visitors

PAGES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/", storefront.home),
    ("POST", "/like", storefront.like),
    ("POST", "/unlike", storefront.unlike),
    ("GET", "/welcome", welcome.welcome),
    ("POST", "/welcome", welcome.create_visitor),
    ("POST", "/visitor", welcome.view_as),
    ("GET", "/search", catalog.search),
    ("GET", "/items/{item_id:path}", catalog.item),
    ("GET", "/history", history.history),
    ("POST", "/forget", history.forget),
    ("GET", "/desk", desk.overview),
    ("GET", "/desk/models", desk.models),
    ("GET", "/desk/map", desk.map_page),
    ("GET", "/desk/map.json", desk.map_points),
    ("GET", "/desk/drift", desk.drift),
    ("POST", "/desk/do", desk.perform_action),
    ("POST", "/desk/key", desk.store_key),
    ("GET", "/docs", reference.reference),
)


def pages(app: ASGIApp, key: SecretStr | None, like_type: str) -> list[Route]:
    """The routes of all pages, to be added to those of the service.

    Args:
        app: the service whose API the pages call.
        key: API key of the pages, if the service requires keys.
        like_type: type of the events that record likes.
    """
    site = Site(Api(app, key), Visitors(key), like_type)
    return [
        *(
            PageRoute(path, with_error_pages(site, page), methods=[method])
            for method, path, page in PAGES
        ),
        PageRoute("/static/{name}", static),
        NotFoundRoute("/{path:path}", with_error_pages(site, _not_found)),
    ]


class PageRoute(Route):
    """A route that records itself in the scope, so that telemetry can label latencies by route."""

    @override
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return match, child_scope if match is Match.NONE else {**child_scope, "route": self}


class NotFoundRoute(PageRoute):
    """The 404 page for browsers; any other client gets the service's own 404 response."""

    @override
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        accepts = next((v for name, v in scope.get("headers", ()) if name == b"accept"), b"")
        path = scope.get("path", "")
        if b"text/html" not in accepts or path.startswith(("/v1/", "/openapi")):
            return Match.NONE, {}
        return super().matches(scope)


async def _not_found(site: Site, request: Request) -> Response:
    detail = f"{request.url.path}: there is no such page"
    return site.failure(request, ServiceError(detail, status=404))
