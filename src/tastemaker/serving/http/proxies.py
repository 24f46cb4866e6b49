"""Proxies: the client and the path prefix of a request that came through a proxy."""

import re
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
"""Pattern of a path prefix, whose characters need no escapes in a URL or a page."""

LONGEST_PREFIX = 256

FORWARDED_PREFIX = b"x-forwarded-prefix"


class ForwardedHeaders(ProxyHeadersMiddleware):
    """Applies the forwarded headers of trusted proxies, and puts paths below their prefix.

    The application gets the path with the prefix, and the prefix as `root_path`, as ASGI specifies.
    A proxy may strip the prefix or pass it on.

    Args:
        app: the application.
        trusted: addresses and networks of proxies.
        root_path: the prefix, unless a trusted proxy sends another in X-Forwarded-Prefix.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[str], root_path: str) -> None:
        super().__init__(app, list(trusted))  # type: ignore[arg-type]  # uvicorn's own ASGI types
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        """Handles one connection; see the ASGI specification."""
        if scope["type"] == "http":
            client = scope.get("client")
            trusted = client is not None and client[0] in self.trusted_hosts
            prefix = (_forwarded_prefix(scope) if trusted else None) or self._root_path
            if prefix:
                _add_prefix(scope, prefix)
        await super().__call__(scope, receive, send)  # type: ignore[arg-type]


def is_prefix(text: str) -> bool:
    """Whether a text is valid as the prefix of all paths."""
    return len(text) <= LONGEST_PREFIX and PREFIX.fullmatch(text) is not None


def _forwarded_prefix(scope: Scope) -> str | None:
    values = [value for name, value in scope["headers"] if name == FORWARDED_PREFIX]
    text = values[-1].decode("latin-1").rstrip("/") if values else ""
    return text if is_prefix(text) else None


def _add_prefix(scope: Scope, prefix: str) -> None:
    path, raw = scope["path"], scope.get("raw_path") or b""
    if path == prefix:
        path, raw = f"{path}/", raw + b"/"
    elif not path.startswith(f"{prefix}/"):
        path, raw = prefix + path, prefix.encode() + raw
    scope["root_path"], scope["path"], scope["raw_path"] = prefix, path, raw
