"""The pages' client of the API: requests within this process, returning types of `wire`."""

from collections.abc import Sequence
from typing import Any

import httpx2
from pydantic import BaseModel, SecretStr
from starlette.types import ASGIApp

from tastemaker import calls, wire
from tastemaker.calls import A, Call


class Api:
    """Calls the service on behalf of the visitors of the pages.

    Args:
        app: the service.
        key: API key of the pages, if the service requires keys.

    Raises:
        ServiceError: the service rejected a request; the message is the service's.
    """

    def __init__(self, app: ASGIApp, key: SecretStr | None = None) -> None:
        self._key = key
        self._http = httpx2.AsyncClient(
            # An exception in the service becomes its 500 response, not an exception in the page.
            transport=httpx2.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://localhost",
            timeout=None,  # the service has timeouts of its own
            trust_env=False,
        )

    async def recommend(self, user: str, **listing: Any) -> wire.RecommendationList:
        """Recommendations for a user by id; trending items if there is no history to use."""
        return await self.fetch(calls.recommend(user, listing))

    async def recommend_without(
        self, user: str, exclude: Sequence[str], **listing: Any
    ) -> wire.RecommendationList:
        """Recommendations without some items, which may be more than a URL can hold."""
        request = {"users": [{"user_id": user}], "exclude": list(exclude), **listing}
        return (await self.fetch(calls.recommend_many(request))).lists[0]

    async def similar(self, item: str, k: int) -> wire.SimilarItems:
        """The items most similar to an item."""
        return await self.fetch(calls.similar(item, k))

    async def trending(self, k: int) -> wire.Trending:
        """The items that are touched most in recent events."""
        return await self.fetch(calls.trending(k))

    async def search(self, text: str, category: str = "", limit: int = 50) -> wire.Items:
        """The items of the catalog that match a text, a category, or both."""
        return await self.fetch(calls.items(text, None, limit, [category] if category else []))

    async def categories(self) -> list[wire.CategoryCount]:
        """All categories, the largest first."""
        return (await self.fetch(calls.categories())).categories

    async def item(self, item: str) -> wire.Item:
        """An item of the catalog."""
        return await self.fetch(calls.item(item))

    async def history(self, user: str, limit: int) -> wire.UserHistory:
        """The history of a user, the latest item first."""
        return await self.fetch(calls.history(user, limit))

    async def record(self, events: list[wire.Event]) -> wire.EventsKept:
        """Stores events, all or none."""
        return await self.fetch(calls.record(wire.Events(events=events)))

    async def retract(self, user: str, item: str) -> None:
        """Removes an item from a user's history."""
        await self._send(calls.retract(user, item))

    async def forget(self, user: str) -> wire.Forgotten:
        """Deletes the data that the service stores about a user."""
        return await self.fetch(calls.forget(user))

    async def known_users(self, limit: int) -> list[wire.KnownUser]:
        """Some users of the training data."""
        call = Call("GET", "/v1/admin/users", wire.KnownUsers, {"limit": limit})
        return (await self.fetch(call)).users

    async def schema(self) -> dict[str, Any]:
        """The OpenAPI schema of the service."""
        response = await self._send(Call("GET", "/openapi.json", BaseModel))
        schema: dict[str, Any] = response.json()
        return schema

    async def fetch(self, call: Call[A], key: SecretStr | None = None) -> A:
        """Sends a request and returns the response.

        Args:
            call: the request.
            key: API key to use instead of the pages' own.

        Raises:
            ServiceError: the service rejected the request, or the response is of another type.
        """
        return call.read(await self._send(call, key))

    async def _send(self, call: Call[Any], key: SecretStr | None = None) -> httpx2.Response:
        key, arguments = key or self._key, call.arguments()
        if key:
            authorization = {"Authorization": f"Bearer {key.get_secret_value()}"}
            arguments["headers"] = arguments.get("headers", {}) | authorization
        response = await self._http.request(call.method, call.path, **arguments)
        if not response.is_success:
            raise calls.error_of(response)
        return response
