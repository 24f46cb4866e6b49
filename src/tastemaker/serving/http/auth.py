"""Authentication and authorization of requests, by API keys and their scopes."""

from fastapi import Depends, Request, params
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ASGIScope

from tastemaker.errors import TastemakerError
from tastemaker.serving.http.body_limit import has_body
from tastemaker.serving.http.paths import below_root
from tastemaker.serving.http.problems import NotAllowedError, response_to
from tastemaker.serving.service import Service
from tastemaker.serving.store.keys import KeyRecord, Scope


class ScopeRequired(HTTPBearer):
    """A dependency that admits requests whose key has a given scope, where keys are required."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(
            scheme_name=f"{scope}-key",
            auto_error=False,
            description=f"A key with the scope {scope}, created by `tastemaker keys add`.",
        )
        self._scope = scope

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        """Admits or refuses a request.

        Raises:
            NotAllowedError: 401 without a valid key, 403 if the key lacks the scope.
            TooBusyError: the key, or the client address, exceeds its rate limit.
        """
        if "sender" not in request.scope:
            service: Service = request.app.state.service
            request.scope["sender"] = await authenticate(request, service)
        key: KeyRecord | None = request.scope["sender"]
        if key is None:
            return
        if self._scope not in key.scopes:
            has = ", ".join(sorted(key.scopes))
            raise NotAllowedError(
                f"this request needs a key with the scope {self._scope}; this key has {has}", 403
            )


class EarlyAuthentication:
    """Checks the key of a request that has a body before the body is read."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """Handles one connection; see the ASGI specification."""
        if scope["type"] == "http" and has_body(scope) and below_root(scope).startswith("/v1/"):
            request = Request(scope)
            try:
                scope["sender"] = await authenticate(request, self._service)
            except TastemakerError as error:
                await response_to(error, scope.get("request_id"))(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def authenticate(request: Request, service: Service) -> KeyRecord | None:
    """Returns the key that a request was sent with; None if the service requires no key.

    Raises:
        NotAllowedError: 401 without a valid key.
        TooBusyError: the key, or the client address, exceeds its rate limit.
    """
    snapshot = await service.recent_snapshot()
    key = _valid_key(request, snapshot.keys.valid)
    service.rates.take(key.key_id if key else request.client.host if request.client else "unknown")
    if not service.requires_key(snapshot):
        return None
    if key is None:
        raise NotAllowedError(
            "this request needs a valid key: send it as Authorization: Bearer KEY", 401
        )
    return key


def needs(scope: Scope) -> list[params.Depends]:
    """Returns the dependencies of a route that requires a scope."""
    return [Depends(ScopeRequired(scope))]


def _valid_key(request: Request, keys: dict[str, KeyRecord]) -> KeyRecord | None:
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    key_id, _, secret = token.strip().partition(".")
    key = keys.get(key_id) if scheme.lower() == "bearer" else None
    return key if key is not None and key.has_secret(secret) else None
