"""The Python client of the service: methods for its requests, which return types of `wire`.

    with Client("http://127.0.0.1:8000", key="…") as client:
        client.record(Event(user_id=42, item_id=296, type="view"))
        client.recommend(42, k=10, categories=["Comedy"], explain=True)

A request that the service rejects raises `ServiceError` with the service's message.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import httpx2
from pydantic import BaseModel, TypeAdapter, ValidationError

from tastemaker import calls, wire
from tastemaker.calls import A, Call
from tastemaker.errors import ConfigError, ServiceError, UnknownIdError, did_you_mean

_ID: TypeAdapter[wire.Id] = TypeAdapter(wire.Id)

DEPLOYING_TIMEOUT_S = 600.0
"""How long `reload` and `rollback` wait, in seconds: opening a large model takes minutes."""


class Client:
    """A client of one service; safe to share between threads.

    Wherever a method takes `**listing`, these are the fields of `wire.Listing`: `k`,
    `exclude_seen`, `categories`, `exclude`, `diversity` and `explain`.

    Args:
        base_url: URL of the service, such as `http://127.0.0.1:8000`; a path in it is kept.
        key: API key, if the service requires one.
        timeout_s: how long to wait for a response, in seconds; `reload` and `rollback`, which open
            a model, have a limit of their own.
        transport: httpx2 transport for the requests, for example with a proxy or with retries.

    Raises:
        ConfigError: the URL is not an HTTP URL, the key has characters that a header cannot carry,
            or the events of `record`, the fields of `patch_item`, the features of `put_user` or an
            argument of `**listing` are invalid.
        UnknownIdError: a user_id or an item_id cannot be an id, such as an empty string.
        ServiceError: the service rejected the request, could not be reached, or the URL is not
            that of a service.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        timeout_s: float = 15.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._url = _checked_url(base_url)
        self._timeout_s = timeout_s
        self._http = httpx2.Client(
            base_url=self._url,
            headers={"Authorization": f"Bearer {_checked_key(key)}"} if key else None,
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
        return self._fetch(calls.recommend(_id(user_id), query))

    def recommend_for(self, history: Sequence[wire.Id], **listing: Any) -> wire.RecommendationList:
        """Recommendations for an unseen user, from a history alone (oldest first)."""
        return self._lists({"history": list(history), **listing})[0]

    def recommend_many(
        self, users: Sequence[wire.AskedUser], **listing: Any
    ) -> list[wire.RecommendationList]:
        """Recommendations for each of the users, in their order."""
        return self._lists({"users": list(users), **listing})

    def _lists(self, request: dict[str, Any]) -> list[wire.RecommendationList]:
        checked = _checked(wire.RecommendationsRequest, request)
        return self._fetch(calls.recommend_many(checked)).lists

    def similar(self, item_id: wire.Id, k: int = 10) -> wire.SimilarItems:
        """The items most similar to an item."""
        return self._fetch(calls.similar(_id(item_id), k))

    def trending(self, k: int = 10, categories: Sequence[str] = ()) -> wire.Trending:
        """The items that are touched most in recent events."""
        return self._fetch(calls.trending(k, categories))

    # The catalog

    def items(
        self,
        search: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        categories: Sequence[str] = (),
    ) -> wire.Items:
        """A page of the catalog; its `next_cursor` gives the next page."""
        return self._fetch(calls.items(search, cursor, limit, categories))

    def item(self, item_id: wire.Id) -> wire.Item:
        """An item of the catalog."""
        return self._fetch(calls.item(_id(item_id)))

    def put_item(self, item_id: wire.Id, body: wire.ItemBody) -> wire.Item:
        """Adds an item, or replaces all its fields (see `wire.ItemBody` about features)."""
        return self._fetch(Call("PUT", _item_path(item_id), wire.Item, body=body))

    def put_items(self, items: Iterable[wire.CatalogItem]) -> wire.ItemsKept:
        """Adds items, or replaces all their fields, all or none, in one request.

        The service accepts as many as fit into a body, by default 1 MiB: about 8,000.
        """
        lines = "\n".join(item.model_dump_json(exclude_unset=True) for item in items)
        return self._fetch(Call("POST", "/v1/items", wire.ItemsKept, body=lines))

    def patch_item(self, item_id: wire.Id, **fields: Any) -> wire.Item:
        """Changes the fields of `wire.ItemBody` that are given."""
        body = _checked(wire.ItemBody, fields)
        return self._fetch(Call("PATCH", _item_path(item_id), wire.Item, body=body))

    def delete_item(self, item_id: wire.Id) -> None:
        """Removes an item from the catalog."""
        self._send(Call("DELETE", _item_path(item_id), BaseModel))

    def categories(self) -> list[wire.CategoryCount]:
        """All categories, the largest first."""
        return self._fetch(calls.categories()).categories

    # Users and events

    def record(self, events: wire.Event | Sequence[wire.Event]) -> wire.EventsKept:
        """Stores events, all or none; when this returns, they are on disk."""
        batch = [events] if isinstance(events, wire.Event) else list(events)
        return self._fetch(calls.record(_checked(wire.Events, {"events": batch})))

    def user(self, user_id: wire.Id) -> wire.User:
        """The features of a user that were sent since the training."""
        return self._fetch(Call("GET", calls.user_path(_id(user_id)), wire.User))

    def put_user(self, user_id: wire.Id, features: Mapping[str, Any]) -> wire.User:
        """Stores the features of a user, and replaces those stored before (see `wire.UserBody`)."""
        body = _checked(wire.UserBody, {"features": features})
        return self._fetch(Call("PUT", calls.user_path(_id(user_id)), wire.User, body=body))

    def history(self, user_id: wire.Id, limit: int = 100) -> wire.UserHistory:
        """The history of a user, the latest item first."""
        return self._fetch(calls.history(_id(user_id), limit))

    def retract(self, user_id: wire.Id, item_id: wire.Id) -> None:
        """Removes an item from a user's history."""
        self._send(calls.retract(_id(user_id), _id(item_id)))

    def forget(self, user_id: wire.Id) -> wire.Forgotten:
        """Deletes the data that the service stores about a user."""
        return self._fetch(calls.forget(_id(user_id)))

    # The state of the service

    def health(self) -> wire.Health:
        """The response of a process that runs; raises ServiceError if there is none."""
        return self._fetch(Call("GET", "/healthz", wire.Health))

    def ready(self) -> wire.Readiness:
        """The state of a service that may be sent requests; raises ServiceError if it may not."""
        return self._fetch(Call("GET", "/readyz", wire.Readiness))

    def deployments(self, cursor: str | None = None, limit: int = 50) -> wire.Deployments:
        """A page of the log of deployments, newest first; `next_cursor` gives the next page."""
        query = {"cursor": cursor, "limit": limit}
        return self._fetch(Call("GET", "/v1/admin/deployments", wire.Deployments, query))

    def reload(self, timeout_s: float = DEPLOYING_TIMEOUT_S) -> wire.Deployment:
        """Makes the service open its run folder again and serve that model.

        Args:
            timeout_s: how long to wait, in seconds. The service goes on after that, and
                `deployments` shows the result.
        """
        return self._fetch(Call("POST", "/v1/admin/reload", wire.Deployment), timeout_s)

    def rollback(self, timeout_s: float = DEPLOYING_TIMEOUT_S) -> wire.Deployment:
        """Makes the service return to the previous model.

        Args:
            timeout_s: as for `reload`.
        """
        return self._fetch(Call("POST", "/v1/admin/rollback", wire.Deployment), timeout_s)

    def learn(self) -> wire.LearningStarted:
        """Starts a training on new events; `deployments` shows the model if it is deployed."""
        return self._fetch(Call("POST", "/v1/admin/learn", wire.LearningStarted))

    # Sending

    def _fetch(self, call: Call[A], timeout_s: float | None = None) -> A:
        return call.read(self._send(call, timeout_s))

    def _send(self, call: Call[Any], timeout_s: float | None = None) -> httpx2.Response:
        """Sends a request; without a timeout of its own it has that of the client."""
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        try:
            response = self._http.request(
                call.method, call.path, **call.arguments(), timeout=timeout_s
            )
        except httpx2.TimeoutException:
            raise ServiceError(
                f"{self._url} did not respond within {timeout_s:g} s; "
                "try again later, or increase timeout_s"
            ) from None
        except httpx2.RequestError as error:
            raise ServiceError(
                f"{self._url} could not be reached ({error}); "
                "check that the service is running and that the URL is correct"
            ) from None
        if not response.is_success:
            raise calls.error_of(response)
        return response


def _checked_url(text: str) -> str:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(
            f'"{text}" is not the URL of a service; write it as in http://127.0.0.1:8000'
        )
    return text


def _checked_key(key: str) -> str:
    # The message does not contain the key, since errors end up in logs.
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            "the key contains characters that a header cannot carry; check that it is complete "
            "and correct"
        )
    return key


def _id(some_id: wire.Id) -> wire.Id:
    """Returns an id that the service accepts.

    Raises:
        UnknownIdError: it cannot be an id.
    """
    try:
        return _ID.validate_python(some_id)
    except ValidationError:
        raise UnknownIdError(
            f"{some_id!r:.300} is not a valid id; an id is a whole number, or a text of 1 to "
            f"{wire.LONGEST_ID} characters without control characters"
        ) from None


def _item_path(item_id: wire.Id) -> str:
    """Returns the path of an item."""
    return f"/v1/items/{calls.path_segment(_id(item_id))}"


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
