"""Auth: who may do what."""

from fastapi import Depends, Request, params
from fastapi.security import HTTPBearer

from tastemaker.serving.key_store import KeyRecord, Scope
from tastemaker.serving.problems import NotAllowedError
from tastemaker.serving.service import Service


class Allowed(HTTPBearer):
    """A dependency that lets pass whoever has a key with a scope, wherever keys are asked for."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(
            scheme_name=f"{scope}-key",
            auto_error=False,
            description=f"A key with the scope {scope}, made by `tastemaker keys add`.",
        )
        self._scope = scope

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        """Lets pass, or refuses.

        Raises:
            NotAllowedError: 401 without a key that works, 403 where its scopes do not suffice.
            TooBusyError: the key, or the address, sends more than it may.
        """
        service: Service = request.app.state.service
        snapshot = await service.recent_snapshot()
        key = _key_in(request, snapshot.keys.valid)
        service.rates.take(
            key.key_id if key else request.client.host if request.client else "unknown"
        )
        if not service.asks_for_keys(snapshot):
            return
        if key is None:
            raise NotAllowedError(
                "this needs a key that works: send it as Authorization: Bearer KEY", 401
            )
        if self._scope not in key.scopes:
            has = ", ".join(sorted(key.scopes))
            raise NotAllowedError(
                f"this needs a key with the scope {self._scope}; yours has {has}", 403
            )


def needs(scope: Scope) -> list[params.Depends]:
    """The dependencies of a route that needs a scope."""
    return [Depends(Allowed(scope))]


def _key_in(request: Request, keys: dict[str, KeyRecord]) -> KeyRecord | None:
    given = request.headers.get("authorization")
    if given is None:
        return None
    scheme, _, token = given.partition(" ")
    key_id, _, secret = token.strip().partition(".")
    key = keys.get(key_id) if scheme.lower() == "bearer" else None
    return key if key is not None and key.is_of(secret) else None
