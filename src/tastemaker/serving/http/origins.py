"""Origins: protects a service that requires no key from web pages of other sites.

A browser on the same machine can reach such a service. A page of any site can submit a form to it,
and can make its own host name resolve to 127.0.0.1 (DNS rebinding) to read the responses. The
browser's request reveals the first by its `Origin`, and the second by a `Host` that is not one of
the service's names.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from tastemaker.errors import TastemakerError
from tastemaker.serving.http.hosts import host_in
from tastemaker.serving.http.problems import problem, response_to
from tastemaker.serving.service import Service
from tastemaker.wire import LOOPBACK

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class OriginCheck:
    """Refuses requests from pages of other origins while the service requires no key."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._hosts = {*LOOPBACK, *service.settings.trusted_hosts}
        self._origins = set(service.settings.cors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection; see the ASGI specification."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is not None:
            try:
                # Looked up only here, since most requests give no reason to refuse them.
                is_keyless = not self._service.requires_key(await self._service.recent_snapshot())
            except TastemakerError as error:
                await response_to(error, scope.get("request_id"))(scope, receive, send)
                return
            if is_keyless:
                await problem(*refusal, scope.get("request_id"))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = {
            name: value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"host", b"origin", b"sec-fetch-site")
        }
        host, origin = headers.get(b"host"), headers.get(b"origin")
        if host is not None and host_in(f"//{host}") not in self._hosts:
            return 421, (
                "the Host header of this request does not name this service, which requires no "
                'key; allow the name with trusted_hosts=("…",), or require keys'
            )
        if scope["method"] in SAFE_METHODS or origin in self._origins:
            return None
        site = headers.get(b"sec-fetch-site")
        if site is None:  # sent by a program or an older browser
            is_same = origin is None or origin.partition("://")[2] == host
            site = "same-origin" if is_same else "cross-site"
        if site not in ("same-origin", "none"):
            return 403, (
                'the request was sent by a page of another site; allow its origin with cors=("…",)'
            )
        return None
