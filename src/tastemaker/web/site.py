"""The site: how a page is rendered, with which headers, and what stands there if it cannot be."""

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
from tastemaker.web.words import ago, day, long_number

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src {images}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

FRAGMENT = "x-fragment"
"""Header by which our own script asks for the part of a page that changes."""


class Site:
    """What all pages share.

    Args:
        api: the service as the pages ask it.
        visitors: who looks at them.
    """

    def __init__(self, api: Api, visitors: visitor.Visitors) -> None:
        self.api, self.visitors = api, visitors

    @cached_property
    def _templates(self) -> Environment:
        environment = Environment(
            loader=PackageLoader("tastemaker.web"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
        )
        environment.filters |= {"ago": ago, "day": day, "number": long_number}
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
        """A page, or the part of it that changes if only that was asked for.

        Args:
            request: what is answered.
            template: by name; its `layout` is the page or nothing.
            status: of HTTP.
            images: URLs that the page shows; nothing else from outside may be loaded.
            context: what the template sees.
        """
        fragment = is_fragment(request)
        found = self._templates.get_template(template)
        html = found.render(
            layout="fragment.html" if fragment else "base.html",
            here=path_of(request),
            root=root_of(request),
            asset=lambda name: root_of(request) + assets()[name].url,
            searched=_searched(request),
            user=self.visitors.of(request),
            may_choose=self.visitors.may_choose,
            token=visitor.token_of(request),
            back=address_of(request),
            **context,
        )
        headers = {
            "Content-Security-Policy": POLICY.format(images=_sources(images)),
            "Cache-Control": "no-store",
            "Vary": FRAGMENT,
        }
        response = HTMLResponse(html, status, headers)
        visitor.keep_token(response, request)
        return response

    def failure(self, request: Request, error: TastemakerError) -> Response:
        """What stands there instead of a page."""
        status = _status(error)
        if is_fragment(request):
            return Response(str(error), status, media_type="text/plain")
        return self.page(
            request, "failure.html", status=status, detail=str(error), code=status, notice=None,
            title="Not now" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "Not here",
        )  # fmt: skip


Handler = Callable[[Site, Request], Awaitable[Response]]


def handled(site: Site, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler with the site at hand; what the service refuses becomes a page that says so."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(site, request)
        except TastemakerError as error:
            return site.failure(request, error)

    return endpoint


def is_fragment(request: Request) -> bool:
    """Whether our own script asks, rather than a browser for a page."""
    return FRAGMENT in request.headers


def go(request: Request, path: str) -> Response:
    """Sends the browser on to a page, by its path below the root."""
    # With a policy of its own an answer keeps its other headers as they are.
    url = root_of(request) + path
    return RedirectResponse(url, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})


def _status(error: TastemakerError) -> int:
    if isinstance(error, visitor.ForgedFormError):
        return HTTPStatus.FORBIDDEN
    if not isinstance(error, ServiceError):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    status = error.status
    # That the pages have no key that works is not for the visitor to mend.
    return HTTPStatus.FORBIDDEN if status == HTTPStatus.UNAUTHORIZED else status or 502


def _searched(request: Request) -> str:
    """What stands in the search field of every page: the words of a search that was just made."""
    is_search = path_of(request) == "/search"
    return request.query_params.get("q", "")[:LONGEST_SEARCH] if is_search else ""


def _sources(images: Iterable[str | None]) -> str:
    """The origins of pictures, as the policy names them."""
    origins = {"'self'", "data:"}
    for url in images:
        try:
            parts = urlsplit(url or "")
        except ValueError:
            continue  # the catalog takes what begins like a URL; this one cannot be loaded
        if parts.scheme in ("http", "https") and parts.hostname and _plain(parts.netloc):
            origins.add(f"{parts.scheme}://{parts.netloc}")
    return " ".join(sorted(origins))


def _plain(host: str) -> bool:
    """Whether it cannot be taken for another part of the policy."""
    return all(sign.isalnum() or sign in ".-:[]" for sign in host) and host.isascii()
