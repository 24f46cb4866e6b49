"""The site: renders pages with their headers, and error pages for requests that fail."""

from collections.abc import Awaitable, Callable, Iterable
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tastemaker.errors import ServiceError, TastemakerError
from tastemaker.web import visitor
from tastemaker.web.addresses import address_of, path_of, root_of
from tastemaker.web.api import Api
from tastemaker.web.assets import assets
from tastemaker.web.inputs import LONGEST_SEARCH
from tastemaker.web.words import ago, long_number

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src {images}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

FRAGMENT = "x-fragment"
"""Header with which the pages' own script requests only the part of a page that changes."""


class Site:
    """The state and the rendering that all pages share.

    Args:
        api: client of the service's API.
        visitors: identifies the visitors of the pages.
        like_type: type of the events that record likes.
    """

    def __init__(self, api: Api, visitors: visitor.Visitors, like_type: str) -> None:
        self.api, self.visitors, self.like_type = api, visitors, like_type

    @cached_property
    def _templates(self) -> Environment:
        environment = Environment(
            loader=PackageLoader("tastemaker.web"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
        )
        environment.filters |= {"ago": ago, "number": long_number}
        return environment

    def page(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        images: Iterable[str | None] = (),
        **context: Any,
    ) -> Response:
        """Renders a page, or only the part that changes if the request is for a fragment.

        Args:
            request: the request to respond to.
            template: name of the template; it extends `layout`, a whole page or a fragment.
            status: HTTP status of the response.
            images: URLs of the images on the page; its policy allows no other external origins.
            context: variables of the template.
        """
        fragment = is_fragment(request)
        loaded = self._templates.get_template(template)
        html = loaded.render(
            layout="fragment.html" if fragment else "base.html",
            current_path=path_of(request),
            root=root_of(request),
            asset=lambda name: root_of(request) + assets()[name].url,
            searched=_searched(request),
            user=self.visitors.of(request),
            may_choose=self.visitors.may_choose,
            token=visitor.token_of(request),
            return_url=address_of(request),
            **context,
        )
        headers = {
            "Content-Security-Policy": POLICY.format(images=_sources(images)),
            "Cache-Control": "no-store",
            "Vary": FRAGMENT,
        }
        response = HTMLResponse(html, status, headers)
        visitor.set_token_cookie(response, request)
        return response

    def failure(self, request: Request, error: TastemakerError) -> Response:
        """Renders an error page, or plain text if the request is for a fragment."""
        status = _status(error)
        if is_fragment(request):
            return Response(str(error), status, media_type="text/plain")
        return self.page(
            request, "failure.html", status=status, detail=str(error), code=status, notice=None,
            title="Service error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "Error",
        )  # fmt: skip


Handler = Callable[[Site, Request], Awaitable[Response]]


def with_error_pages(site: Site, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Binds a handler to the site, and turns its errors into error pages."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(site, request)
        except TastemakerError as error:
            return site.failure(request, error)

    return endpoint


def is_fragment(request: Request) -> bool:
    """Whether the pages' own script requests a fragment, rather than a browser a page."""
    return FRAGMENT in request.headers


def redirect(request: Request, path: str) -> Response:
    """Redirects the browser to a page, by its path below the root."""
    # The target depends on the visitor and the form, so the redirect must not be cached.
    url = root_of(request) + path
    return RedirectResponse(url, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})


def _status(error: TastemakerError) -> int:
    if isinstance(error, visitor.ForgedFormError):
        return HTTPStatus.FORBIDDEN
    if not isinstance(error, ServiceError):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    status = error.status
    if status is None or status < HTTPStatus.BAD_REQUEST:  # a response that cannot be understood
        return HTTPStatus.BAD_GATEWAY
    # 401 means that the pages' own API key is missing or invalid, which no visitor can fix.
    return HTTPStatus.FORBIDDEN if status == HTTPStatus.UNAUTHORIZED else status


def _searched(request: Request) -> str:
    """The text in the search field: the query on the search page, empty on every other page."""
    is_search = path_of(request) == "/search"
    return request.query_params.get("q", "")[:LONGEST_SEARCH] if is_search else ""


def _sources(images: Iterable[str | None]) -> str:
    """The origins of the images, as a source list of the Content-Security-Policy."""
    origins = {"'self'", "data:"}
    for url in images:
        try:
            parts = urlsplit(url or "")
        except ValueError:
            continue  # the catalog accepts any text that begins like a URL; this one is invalid
        if parts.scheme in ("http", "https") and parts.hostname and _is_plain_host(parts.netloc):
            origins.add(f"{parts.scheme}://{parts.netloc}")
    return " ".join(sorted(origins))


def _is_plain_host(host: str) -> bool:
    """Whether a host has only characters that cannot start another part of the policy."""
    return all(character.isalnum() or character in ".-:[]" for character in host) and host.isascii()
