"""Calls: the requests of the API as values, and how their responses are read.

`Client` sends them over the network, and the web pages within their own process. The docstring of a
function that returns a call states what the response contains, or what the request changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, ValidationError

from tastemaker import wire
from tastemaker.errors import ServiceError

A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True)
class Call(Generic[A]):
    """A request, and the type of its response."""

    method: str
    path: str
    response_type: type[A]
    query: dict[str, Any] = field(default_factory=dict)
    """Parameters of the URL; those that are None are left out."""
    body: BaseModel | dict[str, Any] | str | None = None
    """Sent as JSON, a pydantic model without its unset fields; a string is sent as JSON Lines."""

    def arguments(self) -> dict[str, Any]:
        """The arguments for httpx2's `request`, after method and path."""
        query = {name: value for name, value in self.query.items() if value is not None}
        if self.body is None:
            return {"params": query}
        if isinstance(self.body, dict):
            return {"params": query, "json": self.body}
        if isinstance(self.body, str):
            media_type, content = "application/x-ndjson", self.body
        else:
            # The service has the defaults, and PATCH leaves fields that are unset unchanged.
            media_type, content = "application/json", self.body.model_dump_json(exclude_unset=True)
        return {"params": query, "content": content, "headers": {"Content-Type": media_type}}

    def read(self, response: httpx2.Response) -> A:
        """Returns what a successful response contains.

        Raises:
            ServiceError: the response is of another type.
        """
        try:
            return self.response_type.model_validate_json(response.content)
        except ValidationError:
            raise ServiceError(
                f"the response of {response.url} is not of the type {self.response_type.__name__}; "
                "check that the URL is that of the service, and that the client has the same "
                "version",
                status=response.status_code,
            ) from None


def error_of(response: httpx2.Response) -> ServiceError:
    """Returns the error for an unsuccessful response, with the service's message."""
    try:
        message = wire.Problem.model_validate_json(response.content).detail
    except ValidationError:
        # The response is not the service's, but that of a proxy or of another server.
        redirect_url = response.headers.get("Location")
        message = f"{response.url} responded with {response.status_code} {response.reason_phrase}"
        if redirect_url:
            message += f', a redirect to "{redirect_url}"; check that the URL is correct'
    retry_after = response.headers.get("Retry-After", "")
    return ServiceError(
        message,
        status=response.status_code,
        retry_after_s=float(retry_after) if retry_after.isdecimal() else None,
    )


def path_segment(some_id: wire.Id) -> str:
    """Encodes an id as one segment of a path, whatever characters it has."""
    # A segment . or .. would change the path.
    return quote(str(some_id), safe="").replace(".", "%2E")


def user_path(user_id: wire.Id) -> str:
    """Returns the path of a user."""
    return f"/v1/users/{path_segment(user_id)}"


def recommend(user_id: wire.Id, listing: dict[str, Any]) -> Call[wire.RecommendationList]:
    """Recommendations for a user; the keys of `listing` are fields of `wire.Listing`."""
    path = f"{user_path(user_id)}/recommendations"
    return Call("GET", path, wire.RecommendationList, listing)


def recommend_many(
    request: wire.RecommendationsRequest | dict[str, Any],
) -> Call[wire.ManyRecommendations]:
    """Recommendations for a history, or for several users; a dictionary is not checked here."""
    return Call("POST", "/v1/recommendations", wire.ManyRecommendations, body=request)


def similar(item_id: wire.Id, k: int) -> Call[wire.SimilarItems]:
    """The items most similar to an item."""
    return Call("GET", f"/v1/items/{path_segment(item_id)}/similar", wire.SimilarItems, {"k": k})


def trending(k: int, categories: Sequence[str] = ()) -> Call[wire.Trending]:
    """The items that are touched most in recent events."""
    return Call("GET", "/v1/trending", wire.Trending, {"k": k, "categories": list(categories)})


def items(
    search: str | None, cursor: str | None, limit: int, categories: Sequence[str]
) -> Call[wire.Items]:
    """A page of the catalog."""
    query = {"q": search, "cursor": cursor, "limit": limit, "categories": list(categories)}
    return Call("GET", "/v1/items", wire.Items, query)


def item(item_id: wire.Id) -> Call[wire.Item]:
    """An item of the catalog."""
    return Call("GET", f"/v1/items/{path_segment(item_id)}", wire.Item)


def categories() -> Call[wire.Categories]:
    """All categories, the largest first."""
    return Call("GET", "/v1/categories", wire.Categories)


def record(events: wire.Events) -> Call[wire.EventsKept]:
    """Stores events, all or none."""
    return Call("POST", "/v1/events", wire.EventsKept, body=events)


def history(user_id: wire.Id, limit: int) -> Call[wire.UserHistory]:
    """The history of a user, the latest item first."""
    return Call("GET", f"{user_path(user_id)}/history", wire.UserHistory, {"limit": limit})


def retract(user_id: wire.Id, item_id: wire.Id) -> Call[BaseModel]:
    """Removes an item from a user's history; the response has no content."""
    return Call("DELETE", f"{user_path(user_id)}/history/{path_segment(item_id)}", BaseModel)


def forget(user_id: wire.Id) -> Call[wire.Forgotten]:
    """Deletes the data that the service stores about a user."""
    return Call("DELETE", user_path(user_id), wire.Forgotten)
