"""The pages' client of the API: requests within this process, returning types of `wire`."""

from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, SecretStr, ValidationError
from starlette.types import ASGIApp

from tastemaker import wire
from tastemaker.errors import ServiceError

A = TypeVar("A", bound=BaseModel)

LONGEST_S = 30.0
"""Timeout in seconds; the service's own, `request_timeout_s`, is shorter by default."""


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
        self._http = httpx.AsyncClient(
            # An exception in the service becomes its 500 response, not an exception in the page.
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://localhost",
            timeout=LONGEST_S,
            trust_env=False,
        )

    async def recommend(self, user: str, **listing: Any) -> wire.RecommendationList:
        """Recommendations for a user by id; trending items if there is no history to use."""
        path = f"/v1/users/{_part(user)}/recommendations"
        return await self.ask("GET", path, wire.RecommendationList, query=listing)

    async def recommend_without(
        self, user: str, exclude: Sequence[str], **listing: Any
    ) -> wire.RecommendationList:
        """Recommendations without some items, which may be more than a URL can hold."""
        body = {"users": [{"user_id": user}], "exclude": list(exclude), **listing}
        lists = await self.ask("POST", "/v1/recommendations", wire.ManyRecommendations, body=body)
        return lists.lists[0]

    async def similar(self, item: str, k: int) -> wire.SimilarItems:
        """The items most similar to an item."""
        path = f"/v1/items/{_part(item)}/similar"
        return await self.ask("GET", path, wire.SimilarItems, query={"k": k})

    async def trending(self, k: int) -> wire.Trending:
        """The items that are touched most in recent events."""
        return await self.ask("GET", "/v1/trending", wire.Trending, query={"k": k})

    async def search(self, text: str, category: str = "", limit: int = 50) -> wire.Items:
        """The items of the catalog that match a text, a category, or both."""
        query = {"q": text, "limit": limit, "categories": [category] if category else []}
        return await self.ask("GET", "/v1/items", wire.Items, query=query)

    async def categories(self) -> list[wire.CategoryCount]:
        """All categories, the largest first."""
        return (await self.ask("GET", "/v1/categories", wire.Categories)).categories

    async def item(self, item: str) -> wire.Item:
        """An item of the catalog."""
        return await self.ask("GET", f"/v1/items/{_part(item)}", wire.Item)

    async def history(self, user: str, limit: int) -> wire.UserHistory:
        """The history of a user, the latest item first."""
        path = f"/v1/users/{_part(user)}/history"
        return await self.ask("GET", path, wire.UserHistory, query={"limit": limit})

    async def record(self, events: list[wire.Event]) -> wire.EventsKept:
        """Stores events, all or none."""
        body = wire.Events(events=events).model_dump(exclude_none=True)
        return await self.ask("POST", "/v1/events", wire.EventsKept, body=body)

    async def retract(self, user: str, item: str) -> None:
        """Removes an item from a user's history."""
        await self._send("DELETE", f"/v1/users/{_part(user)}/history/{_part(item)}")

    async def forget(self, user: str) -> wire.Forgotten:
        """Deletes the data that the service stores about a user."""
        return await self.ask("DELETE", f"/v1/users/{_part(user)}", wire.Forgotten)

    async def known_users(self, limit: int) -> list[wire.KnownUser]:
        """Some users of the training data."""
        query = {"limit": limit}
        return (await self.ask("GET", "/v1/admin/users", wire.KnownUsers, query=query)).users

    async def schema(self) -> dict[str, Any]:
        """The OpenAPI schema of the service."""
        response = await self._send("GET", "/openapi.json")
        described: dict[str, Any] = response.json()
        return described

    async def ask(
        self,
        method: str,
        path: str,
        answer: type[A],
        *,
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
        key: SecretStr | None = None,
    ) -> A:
        """Sends a request and returns the response.

        Args:
            method: HTTP method.
            path: path of the route.
            answer: type of the response.
            query: query parameters of the URL.
            body: sent as JSON.
            key: API key to use instead of the pages' own.

        Raises:
            ServiceError: the service rejected the request, or the response is of another type.
        """
        response = await self._send(method, path, query, body, key)
        try:
            return answer.model_validate_json(response.content)
        except ValidationError:
            raise ServiceError(
                f"the response of {path} is not of the type {answer.__name__}"
            ) from None

    async def _send(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
        key: SecretStr | None = None,
    ) -> httpx.Response:
        key = key or self._key
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else None
        response = await self._http.request(
            method, path, params=query, json=body, headers=headers
        )  # fmt: skip
        if response.is_success:
            return response
        try:
            said = wire.Problem.model_validate_json(response.content).detail
        except ValidationError:
            said = f"the service responded with status {response.status_code}"
        raise ServiceError(said, status=response.status_code)


def _part(some_id: str) -> str:
    """Encodes an id as one segment of a path, whatever characters it has."""
    return quote(some_id, safe="").replace(".", "%2E")
