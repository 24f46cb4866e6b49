"""The Python client of the service: one method for each request, returning types of `wire`.

    with Client("http://127.0.0.1:8000", key="…") as client:
        client.record(Event(user_id=42, item_id=296, type="view"))
        client.recommend(42, k=10, categories=["Comedy"], explain=True)

A request that the service rejects raises `ServiceError` with the service's message.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from tastemaker import wire
from tastemaker.errors import ConfigError, ServiceError, UnknownIdError, did_you_mean

A = TypeVar("A", bound=BaseModel)

_ID: TypeAdapter[wire.Id] = TypeAdapter(wire.Id)


class Client:
    """A client of one service; safe to share between threads.

    Wherever a method takes `**listing`, these are the fields of `wire.Listing`: `k`,
    `exclude_seen`, `categories`, `exclude`, `diversity` and `explain`.

    Args:
        base_url: URL of the service, such as `http://127.0.0.1:8000`; a path in it is kept.
        key: API key, if the service requires one.
        timeout_s: how long to wait for a response, in seconds.
        transport: httpx transport for the requests, for example with a proxy or with retries.

    Raises:
        ConfigError: the URL is not an HTTP URL, the key has characters that a header cannot carry,
            or an argument of a method is unknown or out of range.
        UnknownIdError: an argument cannot be an id, such as an empty string.
        ServiceError: the service rejected the request, could not be reached, or the URL is not
            that of a service.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        timeout_s: float = 15.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = _checked_url(base_url)
        self._timeout_s = timeout_s
        self._http = httpx.Client(
            base_url=self._url,
            headers={"Authorization": f"Bearer {_sendable(key)}"} if key else None,
            transport=transport,
        )

    def __repr__(self) -> str:
        return f'Client("{self._url}")'  # without the key

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    # Lists

    def recommend(self, user_id: wire.Id, **listing: Any) -> wire.RecommendationList:
        """Recommendations for a user by id; trending items if there is no history to use."""
        query = _checked(wire.Listing, listing).model_dump(exclude_unset=True)
        path = f"/v1/users/{_part(user_id)}/recommendations"
        return self._ask("GET", path, wire.RecommendationList, **query)

    def recommend_for(self, history: Sequence[wire.Id], **listing: Any) -> wire.RecommendationList:
        """Recommendations for an unseen user, from a history alone (oldest first)."""
        return self._lists({"history": list(history), **listing})[0]

    def recommend_many(
        self, users: Sequence[wire.AskedUser], **listing: Any
    ) -> list[wire.RecommendationList]:
        """Recommendations for each of the users, in their order."""
        return self._lists({"users": list(users), **listing})

    def _lists(self, request: dict[str, Any]) -> list[wire.RecommendationList]:
        body = _checked(wire.RecommendationsRequest, request)
        return self._ask("POST", "/v1/recommendations", wire.ManyRecommendations, body=body).lists

    def similar(self, item_id: wire.Id, k: int = 10) -> wire.SimilarItems:
        """The items most similar to an item."""
        path = f"/v1/items/{_part(item_id)}/similar"
        return self._ask("GET", path, wire.SimilarItems, k=k)

    def trending(self, k: int = 10, categories: Sequence[str] = ()) -> wire.Trending:
        """The items that are touched most in recent events."""
        return self._ask("GET", "/v1/trending", wire.Trending, k=k, categories=list(categories))

    # The catalog

    def items(
        self,
        search: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        categories: Sequence[str] = (),
    ) -> wire.Items:
        """A page of the catalog; its `next_cursor` gives the next page."""
        paging: dict[str, Any] = {"q": search, "cursor": cursor, "limit": limit}
        return self._ask("GET", "/v1/items", wire.Items, **paging, categories=list(categories))

    def item(self, item_id: wire.Id) -> wire.Item:
        """An item of the catalog."""
        return self._ask("GET", f"/v1/items/{_part(item_id)}", wire.Item)

    def put_item(self, item_id: wire.Id, body: wire.ItemBody) -> wire.Item:
        """Adds an item, or replaces all its fields."""
        return self._ask("PUT", f"/v1/items/{_part(item_id)}", wire.Item, body=body)

    def put_items(self, items: Iterable[wire.CatalogItem]) -> wire.ItemsKept:
        """Adds items, or replaces all their fields, all or none, in one request.

        The service accepts as many as fit into a body, by default 1 MiB: about 8,000.
        """
        lines = "\n".join(item.model_dump_json(exclude_unset=True) for item in items)
        return self._ask("POST", "/v1/items", wire.ItemsKept, body=lines)

    def patch_item(self, item_id: wire.Id, **fields: Any) -> wire.Item:
        """Changes the fields of `wire.ItemBody` that are given."""
        body = _checked(wire.ItemBody, fields)
        return self._ask("PATCH", f"/v1/items/{_part(item_id)}", wire.Item, body=body)

    def delete_item(self, item_id: wire.Id) -> None:
        """Removes an item from the catalog."""
        self._send("DELETE", f"/v1/items/{_part(item_id)}")

    def categories(self) -> list[wire.CategoryCount]:
        """All categories, the largest first."""
        return self._ask("GET", "/v1/categories", wire.Categories).categories

    # Users and events

    def record(self, events: wire.Event | Sequence[wire.Event]) -> wire.EventsKept:
        """Stores events, all or none; when this returns, they are on disk."""
        several = [events] if isinstance(events, wire.Event) else list(events)
        body = _checked(wire.Events, {"events": several})
        return self._ask("POST", "/v1/events", wire.EventsKept, body=body)

    def history(self, user_id: wire.Id, limit: int = 100) -> wire.UserHistory:
        """The history of a user, the latest item first."""
        path = f"/v1/users/{_part(user_id)}/history"
        return self._ask("GET", path, wire.UserHistory, limit=limit)

    def retract(self, user_id: wire.Id, item_id: wire.Id) -> None:
        """Removes an item from a user's history."""
        self._send("DELETE", f"/v1/users/{_part(user_id)}/history/{_part(item_id)}")

    def forget(self, user_id: wire.Id) -> wire.Forgotten:
        """Deletes the data that the service stores about a user."""
        return self._ask("DELETE", f"/v1/users/{_part(user_id)}", wire.Forgotten)

    # The state of the service

    def health(self) -> wire.Health:
        """Whether the process responds."""
        return self._ask("GET", "/healthz", wire.Health)

    def ready(self) -> wire.Readiness:
        """Whether the service should be sent requests."""
        return self._ask("GET", "/readyz", wire.Readiness)

    def deployments(self, cursor: str | None = None, limit: int = 50) -> wire.Deployments:
        """A page of the log of deployments, newest first; `next_cursor` gives the next page."""
        path = "/v1/admin/deployments"
        return self._ask("GET", path, wire.Deployments, cursor=cursor, limit=limit)

    def reload(self) -> wire.Deployment:
        """Makes the service open its run folder again and serve that model."""
        return self._ask("POST", "/v1/admin/reload", wire.Deployment, patient=True)

    def rollback(self) -> wire.Deployment:
        """Makes the service return to the previous model."""
        return self._ask("POST", "/v1/admin/rollback", wire.Deployment, patient=True)

    def learn(self) -> wire.LearningStarted:
        """Starts a training on new events; `deployments` shows the model if it is deployed."""
        return self._ask("POST", "/v1/admin/learn", wire.LearningStarted)

    # Requests and responses; `patient` disables the timeout of a request that may take minutes

    def _ask(
        self,
        method: str,
        path: str,
        answer: type[A],
        body: BaseModel | str | None = None,
        patient: bool = False,
        **query: Any,
    ) -> A:
        return _read(self._send(method, path, body, patient, **query), answer)

    def _send(
        self,
        method: str,
        path: str,
        body: BaseModel | str | None = None,
        patient: bool = False,
        **query: Any,
    ) -> httpx.Response:
        """Sends a request; a body is sent as JSON, or as JSON Lines if it is a string."""
        kind = "application/x-ndjson"
        if isinstance(body, BaseModel):
            # Unset fields are left out: the service has the defaults, and PATCH leaves such
            # fields unchanged.
            body, kind = body.model_dump_json(exclude_unset=True), "application/json"
        try:
            response = self._http.request(
                method,
                path,
                params={name: value for name, value in query.items() if value is not None},
                content=body,
                headers=None if body is None else {"Content-Type": kind},
                timeout=None if patient else self._timeout_s,
            )
        except httpx.TimeoutException:
            raise ServiceError(
                f"{self._url} did not respond within {self._timeout_s:g} s; "
                "try again later, or increase timeout_s"
            ) from None
        except httpx.RequestError as error:
            raise ServiceError(
                f"{self._url} could not be reached ({error}); "
                "check that the service is running and that the URL is correct"
            ) from None
        if not response.is_success:
            raise _refusal(response)
        return response


def _read(response: httpx.Response, answer: type[A]) -> A:
    try:
        return answer.model_validate_json(response.content)
    except ValidationError:
        raise ServiceError(
            f"the response of {response.url} is not of the type {answer.__name__}; check that the "
            "URL is that of the service, and that the client has the same version",
            status=response.status_code,
        ) from None


def _checked_url(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(
            f'"{text}" is not the URL of a service; write it as in http://127.0.0.1:8000'
        )
    return text


def _sendable(key: str) -> str:
    # The message does not contain the key, since errors end up in logs.
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            "the key contains characters that a header cannot carry; check that it is complete "
            "and correct"
        )
    return key


def _part(some_id: wire.Id) -> str:
    """Encodes an id as one segment of a path, whatever characters it has."""
    try:
        _ID.validate_python(some_id)
    except ValidationError:
        raise UnknownIdError(
            f"{some_id!r:.300} is not a valid id; an id is a whole number, or a text of 1 to 256 "
            "printable characters"
        ) from None
    # A segment . or .. would change the path.
    return quote(str(some_id), safe="").replace(".", "%2E")


def _checked(kind: type[A], values: dict[str, Any]) -> A:
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "request"
        if first["type"] == "extra_forbidden":
            known = did_you_mean(name, kind.model_fields)
            raise ConfigError(f'unknown argument "{name}"; {known}') from None
        raise ConfigError(f"{name}: {first['msg'][0].lower()}{first['msg'][1:]}") from None


def _refusal(response: httpx.Response) -> ServiceError:
    try:
        said = wire.Problem.model_validate_json(response.content).detail
    except ValidationError:
        # The response is not the service's, but that of a proxy or of another server.
        onward = response.headers.get("Location")
        said = f"{response.url} responded with {response.status_code} {response.reason_phrase}" + (
            f', a redirect to "{onward}"; check that the URL is correct' if onward else ""
        )
    wait = response.headers.get("Retry-After", "")
    return ServiceError(
        said,
        status=response.status_code,
        retry_after_s=float(wait) if wait.isdecimal() else None,
    )
