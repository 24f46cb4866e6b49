"""Auth: who may do what."""

from collections.abc import Awaitable, Callable

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from tastemaker.serving.key_store import KeyRecord, Scope
from tastemaker.serving.problems import NotAllowedError
from tastemaker.serving.service import Service

bearer = HTTPBearer(auto_error=False, description="A key from `tastemaker keys add`.")
"""Only documents; `allowed` looks at the header itself."""


def allowed(scope: Scope) -> Callable[[Request], Awaitable[None]]:
    """A dependency that lets pass whoever has a key with that scope, if keys are asked for.

    Raises:
        NotAllowedError: 401 without a key that works, 403 where its scopes do not suffice.
        TooBusyError: the key, or the address, sends more than it may.
    """

    async def check(request: Request) -> None:
        service: Service = request.app.state.service
        snapshot = await service.recent_snapshot()
        key = _key_in(request, snapshot.keys)
        caller = key.key_id if key else request.client.host if request.client else ""
        service.rates.take(caller)
        if not service.asks_for_keys(snapshot):
            return
        if key is None:
            raise NotAllowedError(
                "this needs a key that works: send it as Authorization: Bearer KEY", 401
            )
        if scope not in key.scopes:
            has = ", ".join(sorted(key.scopes))
            raise NotAllowedError(f"this needs a key with the scope {scope}; yours has {has}", 403)

    return check


def needs(scope: Scope) -> list[Depends]:  # type: ignore[valid-type]
    """The dependencies of a route that needs a scope."""
    return [Depends(bearer), Depends(allowed(scope))]


def _key_in(request: Request, keys: dict[str, KeyRecord]) -> KeyRecord | None:
    given = request.headers.get("authorization", "")
    scheme, _, token = given.partition(" ")
    key_id, _, secret = token.strip().partition(".")
    key = keys.get(key_id) if scheme.lower() == "bearer" else None
    return key if key is not None and key.is_of(secret) else None
