"""The API as the pages ask it: real requests, in this process, answered with types of `wire`."""

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
"""The service gives up earlier by itself; swaps of the model take as long as they take."""


class Api:
    """Asks the service on behalf of whoever looks at a page.

    Args:
        app: the service.
        key: what it is to let the pages in with, if it asks for keys.

    Raises:
        ServiceError: the service refused, in its own words.
    """

    def __init__(self, app: ASGIApp, key: SecretStr | None = None) -> None:
        self._key = key
        self._http = httpx.AsyncClient(
            # An error of the service is its answer 500, not an exception of the page's.
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://localhost",
            timeout=LONGEST_S,
            trust_env=False,
        )

    async def recommend(self, user: str, **listing: Any) -> wire.RecommendationList:
        """A list for somebody by id; what is trending where nothing is known of them."""
        path = f"/v1/users/{_part(user)}/recommendations"
        return await self.ask("GET", path, wire.RecommendationList, query=listing)

    async def recommend_without(
        self, user: str, exclude: Sequence[str], **listing: Any
    ) -> wire.RecommendationList:
        """The same without some items, which may be more than an address can hold."""
        body = {"users": [{"user_id": user}], "exclude": list(exclude), **listing}
        lists = await self.ask("POST", "/v1/recommendations", wire.ManyRecommendations, body=body)
        return lists.lists[0]

    async def similar(self, item: str, k: int) -> wire.SimilarItems:
        """What is like an item."""
        path = f"/v1/items/{_part(item)}/similar"
        return await self.ask("GET", path, wire.SimilarItems, query={"k": k})

    async def trending(self, k: int) -> wire.Trending:
        """What is touched most lately."""
        return await self.ask("GET", "/v1/trending", wire.Trending, query={"k": k})

    async def search(self, text: str, category: str = "", limit: int = 50) -> wire.Items:
        """What of the catalog is called so, or is in that category."""
        query = {"q": text, "limit": limit, "categories": [category] if category else []}
        return await self.ask("GET", "/v1/items", wire.Items, query=query)

    async def categories(self) -> list[wire.CategoryCount]:
        """All categories, the largest first."""
        return (await self.ask("GET", "/v1/categories", wire.Categories)).categories

    async def item(self, item: str) -> wire.Item:
        """What is known of an item."""
        return await self.ask("GET", f"/v1/items/{_part(item)}", wire.Item)

    async def history(self, user: str, limit: int) -> wire.UserHistory:
        """What is known of somebody, the latest first."""
        path = f"/v1/users/{_part(user)}/history"
        return await self.ask("GET", path, wire.UserHistory, query={"limit": limit})

    async def record(self, events: list[wire.Event]) -> wire.EventsKept:
        """Keeps events, all or none."""
        body = wire.Events(events=events).model_dump(exclude_none=True)
        return await self.ask("POST", "/v1/events", wire.EventsKept, body=body)

    async def retract(self, user: str, item: str) -> None:
        """Takes an item out of somebody's history."""
        await self._send("DELETE", f"/v1/users/{_part(user)}/history/{_part(item)}")

    async def forget(self, user: str) -> wire.Forgotten:
        """Deletes what the service keeps of somebody."""
        return await self.ask("DELETE", f"/v1/users/{_part(user)}", wire.Forgotten)

    async def known_users(self, limit: int) -> list[wire.KnownUser]:
        """Some users of the training data."""
        query = {"limit": limit}
        return (await self.ask("GET", "/v1/admin/users", wire.KnownUsers, query=query)).users

    async def schema(self) -> dict[str, Any]:
        """The description of the whole API, as OpenAPI has it."""
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
        """What the service answers.

        Args:
            method: of HTTP.
            path: of the route.
            answer: what it answers with.
            query: of the URL.
            body: as JSON.
            key: instead of the pages' own.

        Raises:
            ServiceError: it refused.
        """
        response = await self._send(method, path, query, body, key)
        try:
            return answer.model_validate_json(response.content)
        except ValidationError:
            raise ServiceError(f"{path} answers something else than {answer.__name__}") from None

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
            said = f"the service answered {response.status_code}"
        raise ServiceError(said, status=response.status_code)


def _part(some_id: str) -> str:
    """An id as one part of a path, whatever is in it."""
    return quote(some_id, safe="").replace(".", "%2E")
