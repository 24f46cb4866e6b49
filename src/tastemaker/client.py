"""The service from Python: one method for each question, answered with the types of `wire`.

    with Client("http://127.0.0.1:8000", key="…") as client:
        client.record(Event(user_id=42, item_id=296, type="view"))
        client.recommend(42, k=10, categories=["Comedy"], explain=True)

What the service refuses is a `ServiceError` with its own words.
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
    """Asks one service; safe to share between threads.

    Wherever a method takes `**listing`, these are the fields of `wire.Listing`: `k`,
    `exclude_seen`, `categories`, `exclude`, `diversity` and `explain`.

    Args:
        base_url: where the service is, as `http://127.0.0.1:8000`; a path in it is kept.
        key: what the service was told to let in, if it asks for keys.
        timeout_s: how long to wait for an answer.
        transport: how requests travel, for a proxy or retries of one's own.

    Raises:
        ConfigError: no URL of HTTP, a key that no header can carry, or an argument of a method out
            of its range.
        UnknownIdError: what cannot be an id, as an empty text.
        ServiceError: the service refused, could not be reached or is none.
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
        """Lets go of the connections."""
        self._http.close()

    # Lists

    def recommend(self, user_id: wire.Id, **listing: Any) -> wire.RecommendationList:
        """A list for somebody by id; what is trending where nothing is known of them."""
        query = _checked(wire.Listing, listing).model_dump(exclude_unset=True)
        path = f"/v1/users/{_part(user_id)}/recommendations"
        return self._ask("GET", path, wire.RecommendationList, **query)

    def recommend_for(self, history: Sequence[wire.Id], **listing: Any) -> wire.RecommendationList:
        """A list for somebody known by a history alone, oldest first."""
        return self._lists({"history": list(history), **listing})[0]

    def recommend_many(
        self, users: Sequence[wire.AskedUser], **listing: Any
    ) -> list[wire.RecommendationList]:
        """A list for each, in their order."""
        return self._lists({"users": list(users), **listing})

    def _lists(self, request: dict[str, Any]) -> list[wire.RecommendationList]:
        body = _checked(wire.RecommendationsRequest, request)
        return self._ask("POST", "/v1/recommendations", wire.ManyRecommendations, body=body).lists

    def similar(self, item_id: wire.Id, k: int = 10) -> wire.SimilarItems:
        """What is like an item."""
        path = f"/v1/items/{_part(item_id)}/similar"
        return self._ask("GET", path, wire.SimilarItems, k=k)

    def trending(self, k: int = 10, categories: Sequence[str] = ()) -> wire.Trending:
        """What is touched most lately."""
        return self._ask("GET", "/v1/trending", wire.Trending, k=k, categories=list(categories))

    # The catalog

    def items(
        self,
        search: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        categories: Sequence[str] = (),
    ) -> wire.Items:
        """A page of the catalog; its `next_cursor` asks for the next one."""
        paging: dict[str, Any] = {"q": search, "cursor": cursor, "limit": limit}
        return self._ask("GET", "/v1/items", wire.Items, **paging, categories=list(categories))

    def item(self, item_id: wire.Id) -> wire.Item:
        """What is known of an item."""
        return self._ask("GET", f"/v1/items/{_part(item_id)}", wire.Item)

    def put_item(self, item_id: wire.Id, body: wire.ItemBody) -> wire.Item:
        """Adds an item or replaces what is known of it."""
        return self._ask("PUT", f"/v1/items/{_part(item_id)}", wire.Item, body=body)

    def put_items(self, items: Iterable[wire.CatalogItem]) -> wire.ItemsKept:
        """Adds items or replaces what is known of them, all or none, in one request.

        A service takes as many as fit into a body, by default 1 MiB: some 8,000.
        """
        lines = "\n".join(item.model_dump_json(exclude_unset=True) for item in items)
        return self._ask("POST", "/v1/items", wire.ItemsKept, body=lines)

    def patch_item(self, item_id: wire.Id, **fields: Any) -> wire.Item:
        """Changes the fields of `wire.ItemBody` that are given."""
        body = _checked(wire.ItemBody, fields)
        return self._ask("PATCH", f"/v1/items/{_part(item_id)}", wire.Item, body=body)

    def delete_item(self, item_id: wire.Id) -> None:
        """Takes an item out of the catalog."""
        self._send("DELETE", f"/v1/items/{_part(item_id)}")

    def categories(self) -> list[wire.CategoryCount]:
        """All categories, the largest first."""
        return self._ask("GET", "/v1/categories", wire.Categories).categories

    # Users and events

    def record(self, events: wire.Event | Sequence[wire.Event]) -> wire.EventsKept:
        """Keeps events, all or none; when this returns, they are on disk."""
        several = [events] if isinstance(events, wire.Event) else list(events)
        body = _checked(wire.Events, {"events": several})
        return self._ask("POST", "/v1/events", wire.EventsKept, body=body)

    def history(self, user_id: wire.Id, limit: int = 100) -> wire.UserHistory:
        """What is known of somebody, the latest first."""
        path = f"/v1/users/{_part(user_id)}/history"
        return self._ask("GET", path, wire.UserHistory, limit=limit)

    def retract(self, user_id: wire.Id, item_id: wire.Id) -> None:
        """Takes an item out of somebody's history."""
        self._send("DELETE", f"/v1/users/{_part(user_id)}/history/{_part(item_id)}")

    def forget(self, user_id: wire.Id) -> wire.Forgotten:
        """Deletes what the service keeps of somebody."""
        return self._ask("DELETE", f"/v1/users/{_part(user_id)}", wire.Forgotten)

    # How the service is

    def health(self) -> wire.Health:
        """Whether the process answers."""
        return self._ask("GET", "/healthz", wire.Health)

    def ready(self) -> wire.Readiness:
        """Whether it should be sent requests."""
        return self._ask("GET", "/readyz", wire.Readiness)

    def deployments(self, cursor: str | None = None, limit: int = 50) -> wire.Deployments:
        """A page of which trained models served, the newest first; `next_cursor` asks for more."""
        path = "/v1/admin/deployments"
        return self._ask("GET", path, wire.Deployments, cursor=cursor, limit=limit)

    def reload(self) -> wire.Deployment:
        """Serves the run folder as it is on disk now."""
        return self._ask("POST", "/v1/admin/reload", wire.Deployment, patient=True)

    def rollback(self) -> wire.Deployment:
        """Serves the model before the current one again."""
        return self._ask("POST", "/v1/admin/rollback", wire.Deployment, patient=True)

    def learn(self) -> wire.LearningStarted:
        """Starts to train on the events since; `deployments` shows what came of it."""
        return self._ask("POST", "/v1/admin/learn", wire.LearningStarted)

    # There and back; patient means that the answer may take minutes

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
        """Sends a request: a body as JSON, one that is text as JSON Lines."""
        kind = "application/x-ndjson"
        if isinstance(body, BaseModel):
            # What is not set is left out: defaults are the service's, and to PATCH it means
            # "as it is".
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
                f"{self._url} did not answer within {self._timeout_s:g} s; "
                "try again later, or wait longer (timeout_s)"
            ) from None
        except httpx.RequestError as error:
            raise ServiceError(
                f"{self._url} could not be reached ({error}); "
                "is the service running there, and is the URL right?"
            ) from None
        if not response.is_success:
            raise _refusal(response)
        return response


def _read(response: httpx.Response, answer: type[A]) -> A:
    try:
        return answer.model_validate_json(response.content)
    except ValidationError:
        raise ServiceError(
            f"{response.url} answers something else than {answer.__name__}; "
            "is it the service, and of this version?",
            status=response.status_code,
        ) from None


def _checked_url(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(f'"{text}" is no URL of a service; write it as http://127.0.0.1:8000')
    return text


def _sendable(key: str) -> str:
    # The key itself stays out of the error: errors end up in logs.
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError("the key holds characters that no header can carry; was it cut wrongly?")
    return key


def _part(some_id: wire.Id) -> str:
    """An id as one part of a path, whatever is in it."""
    try:
        _ID.validate_python(some_id)
    except ValidationError:
        raise UnknownIdError(
            f"{some_id!r:.300} is no id; ids are whole numbers, or text of 1 to 256 printable "
            "characters"
        ) from None
    # A lone . or .. would be taken for a step in the path.
    return quote(str(some_id), safe="").replace(".", "%2E")


def _checked(kind: type[A], values: dict[str, Any]) -> A:
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "request"
        if first["type"] == "extra_forbidden":
            known = did_you_mean(name, kind.model_fields)
            raise ConfigError(f'there is no "{name}" to ask for; {known}') from None
        raise ConfigError(f"{name}: {first['msg'][0].lower()}{first['msg'][1:]}") from None


def _refusal(response: httpx.Response) -> ServiceError:
    try:
        said = wire.Problem.model_validate_json(response.content).detail
    except ValidationError:
        # Not the service's own words: a proxy before it, or something else altogether.
        onward = response.headers.get("Location")
        said = f"{response.url} answers {response.status_code} {response.reason_phrase}" + (
            f' and points to "{onward}"; is the URL right?' if onward else ""
        )
    wait = response.headers.get("Retry-After", "")
    return ServiceError(
        said,
        status=response.status_code,
        retry_after_s=float(wait) if wait.isdecimal() else None,
    )
