"""A small service that answers over real HTTP what the wire types say, to be asked by clients."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
import uvicorn
from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from tastemaker import wire

CATALOG = {
    296: "Pulp Fiction (1994)",
    1200: "Aliens (1986)",
    1214: "Alien (1979)",
    2571: "Matrix, The (1999)",
}
HISTORIES = {42: [296, 1214], "a/b ü": [2571]}
MODEL = {"model": "ease", "version": "v1"}
DEPLOYMENT = {
    "deployment": 2, "run": "demo", "trained_at": "2026-01-01T00:00:00Z",
    "deployed_at": 1_767_225_600, "reason": "reload", "current": True, **MODEL,
}  # fmt: skip


@dataclass
class Service:
    """Where it is, and what it was asked."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)


routes = APIRouter()


@routes.get("/v1/users/{user:path}/recommendations")
def recommend(user: str, listing: Annotated[wire.Listing, Query()]) -> wire.RecommendationList:
    history = HISTORIES.get(typed(user), [])
    return a_list(listing, history, user_id=typed(user))


@routes.post("/v1/recommendations")
def recommend_many(request: wire.RecommendationsRequest) -> wire.ManyRecommendations:
    return wire.ManyRecommendations(
        lists=[
            a_list(request, user.history or [], user_id=user.user_id)
            for user in request.requested_users
        ]
    )


@routes.get("/v1/items")
def search(
    limit: int, q: str = "", categories: Annotated[tuple[str, ...], Query()] = ()
) -> wire.Items:
    if set(categories) - {"Film"}:
        raise HTTPException(422, f'no item has the category "{categories[0]}"; known: Film')
    found = [item for item in CATALOG if q.casefold() in CATALOG[item].casefold()]
    return wire.Items(
        items=[an_item(item) for item in found[:limit]],
        next_cursor="more" if len(found) > limit else None,
    )


@routes.get("/v1/items/{item}/similar")
def similar(item: str, k: int) -> wire.SimilarItems:
    one = known(item)
    likely = [other for other in CATALOG if other != one][:k]
    return wire.SimilarItems(item_id=one, items=ranked(likely), **MODEL)


@routes.get("/v1/items/{item:path}")
def item(item: str) -> Any:
    match item:
        case "busy":
            raise HTTPException(429, "too many requests", {"Retry-After": "7"})
        case "slow":
            time.sleep(1)
        case "proxy":
            return HTMLResponse("<h1>Bad gateway</h1>", 502)
        case "moved":
            return RedirectResponse("https://elsewhere.example/")
        case "nonsense":
            return {"hello": "world"}
    return an_item(known(item))


@routes.put("/v1/items/{item}")
@routes.patch("/v1/items/{item}")
def change(item: str, body: wire.ItemBody) -> wire.Item:
    return an_item(known(item), **body.model_dump(exclude_unset=True))


@routes.delete("/v1/items/{item}", status_code=204)
def delete(item: str) -> None:
    known(item)


@routes.get("/v1/categories")
def categories() -> wire.Categories:
    return wire.Categories(categories=[{"name": "Film", "n_items": len(CATALOG)}])


@routes.get("/v1/users/{user:path}/history")
def history(user: str, limit: int) -> wire.UserHistory:
    items = [
        {"item_id": item, "title": CATALOG[item], "origin": "training"}
        for item in reversed(HISTORIES.get(typed(user), []))
    ]
    return wire.UserHistory(user_id=typed(user), items=items[:limit])


@routes.delete("/v1/users/{user}/history/{item}", status_code=204)
def retract(user: str, item: str) -> None:
    known(item)


@routes.delete("/v1/users/{user}")
def forget(user: str) -> wire.Forgotten:
    return wire.Forgotten(user_id=typed(user), events=3)


@routes.post("/v1/events")
def record(body: wire.Events) -> wire.EventsKept:
    return wire.EventsKept(
        accepted=len(body.events),
        duplicates=0,
        event_ids=[str(place) for place in range(len(body.events))],
        unknown_items=[e.item_id for e in body.events if e.item_id not in CATALOG],
    )


@routes.get("/v1/trending")
def trending(k: int) -> wire.Trending:
    return wire.Trending(items=ranked(list(CATALOG)[:k]), half_life_s=86_400)


@routes.get("/readyz")
def ready() -> wire.Readiness:
    return wire.Readiness(status="ready", **MODEL)


@routes.get("/healthz")
def health() -> wire.Health:
    return wire.Health()


@routes.get("/v1/admin/deployments")
def deployments() -> wire.Deployments:
    return wire.Deployments(deployments=[DEPLOYMENT])


@routes.post("/v1/admin/{what}")
def swap(what: str) -> wire.Deployment | wire.LearningStarted:
    return (
        wire.LearningStarted(status="started") if what == "learn" else wire.Deployment(**DEPLOYMENT)
    )


def make_app(service: Service) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def remember(request: Request, call_next: Any) -> Response:
        service.requests.append(
            {
                "what": f"{request.method} {request.scope['raw_path'].decode()}",
                "query": request.scope["query_string"].decode(),
                "body": (await request.body()).decode(),
                "key": request.headers.get("Authorization"),
            }
        )
        return await call_next(request)

    @app.exception_handler(HTTPException)
    async def problem(request: Request, error: HTTPException) -> Response:
        body = {"title": "Refused", "status": error.status_code, "detail": error.detail}
        return JSONResponse(
            body, error.status_code, error.headers, media_type="application/problem+json"
        )

    app.include_router(routes)
    return app


def typed(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def known(text: str) -> int:
    if typed(text) not in CATALOG:
        raise HTTPException(404, f'no item has the id "{text}"')
    return int(text)


def an_item(item: int, **more: Any) -> wire.Item:
    fields = {"title": CATALOG[item], "categories": ["Film"], **more}
    return wire.Item(item_id=item, trained=True, recommendable="model", **fields)


def ranked(items: list[int], because: list[wire.Reason] | None = None) -> list[Any]:
    return [
        wire.RecommendedItem(
            item_id=item, rank=place, score=1 / place, title=CATALOG[item], because=because
        )
        for place, item in enumerate(items, 1)
    ]


def a_list(listing: wire.Listing, history: list[Any], user_id: Any) -> wire.RecommendationList:
    excluded = {typed(str(item)) for item in listing.exclude}  # a query is all text
    hidden = excluded | set(() if listing.exclude_seen is False else history)
    items = [item for item in CATALOG if item not in hidden][: listing.k]
    reasons = [wire.Reason(item_id=i, title=CATALOG[i], contribution=1.0) for i in history]
    return wire.RecommendationList(
        user_id=user_id,
        items=ranked(items, reasons if listing.explain else None),
        source="model" if history else "trending",
        **MODEL,
    )


@pytest.fixture(scope="session")
def running() -> Iterator[Service]:
    service = Service()
    config = uvicorn.Config(make_app(service), port=0, log_level="error", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    service.url = f"http://127.0.0.1:{port}"
    yield service
    server.should_exit = True
    thread.join()


@pytest.fixture
def service(running: Service) -> Service:
    """The service, asked nothing yet."""
    running.requests.clear()
    return running
