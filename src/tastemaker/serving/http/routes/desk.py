"""The desk: routes with statistics and diagnostics for the operators of the service."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from tastemaker.serving.desk.drift import drift as drift_of
from tastemaker.serving.desk.earlier_models import ComparedDeployment, EarlierModels
from tastemaker.serving.desk.item_map import item_map
from tastemaker.serving.desk.standings import standings
from tastemaker.serving.desk.stats import events_per_minute, request_statistics
from tastemaker.serving.http.auth import needs
from tastemaker.serving.http.problems import documented
from tastemaker.serving.http.routes.admin import deployment_fields
from tastemaker.serving.http.routes.common import TheService, json
from tastemaker.serving.live.cache import BoundedCache
from tastemaker.serving.live.list_responses import recommended_item
from tastemaker.serving.service import Service
from tastemaker.serving.store.events import hashed
from tastemaker.wire import (
    Compared,
    Drift,
    IdText,
    ItemMap,
    K,
    KnownUsers,
    LeaderboardResponse,
    Stats,
)

router = APIRouter(prefix="/admin", tags=["admin"], dependencies=needs("admin"))

PROBLEMS = documented(401, 403, 422, 429, 503)

MAX_BYTES = 16 << 20
"""Maximum size of a worker's cache of responses for the desk, in bytes."""

MAX_KNOWN, MAX_POINTS, MAX_EVENTS = 200, 20_000, 200


class Desk:
    """Holds an earlier model for comparisons, and caches responses until they may change."""

    def __init__(self, service: Service) -> None:
        self.earlier_models = EarlierModels(service.live)
        self.cache: BoundedCache[bytes] = BoundedCache(MAX_BYTES)


async def _desk(request: Request) -> Desk:
    state = request.app.state
    if not hasattr(state, "desk"):
        state.desk = Desk(state.service)
    desk: Desk = state.desk
    return desk


TheDesk = Annotated[Desk, Depends(_desk)]


@router.get("/stats", response_model=Stats, responses=PROBLEMS)
async def stats(service: TheService) -> Response:
    """Returns the current model and its data, and metrics of the requests since the start."""

    def content() -> dict[str, Any]:
        snapshot = service.live.snapshot()
        deployed, data = snapshot.deployed, snapshot.deployed.everything
        return {
            "deployment": deployment_fields(deployed.record, deployed.record.seq),
            "dataset": data.name,
            "split": deployed.bundle.split.method,
            "n_users": data.n_users,
            "n_items": data.n_items,
            "n_interactions": len(data),
            "events": service.live.events.size(),
            "events_per_minute": events_per_minute(service.live.events),
            "degraded": snapshot.degraded,
            "missing": deployed.missing and deployed.missing.version,
            "learning": service.learning.running,
            **request_statistics(service.telemetry),
        }

    return json(await service.gate.run(content))


@router.get("/users", response_model=KnownUsers, responses=PROBLEMS)
async def known_users(
    service: TheService, limit: Annotated[int, Query(ge=1, le=MAX_KNOWN)] = 20
) -> Response:
    """Returns some users of the training data, evenly from the shortest to the longest history.

    Users who were forgotten are left out.
    """

    def content() -> dict[str, Any]:
        snapshot = service.live.snapshot()
        data = snapshot.deployed.everything
        lengths = np.diff(data.indptr)
        by_length = np.argsort(lengths, kind="stable")
        by_length = by_length[lengths[by_length] > 0]
        positions = (
            np.linspace(0, len(by_length) - 1, min(limit, len(by_length))).round().astype(int)
        )
        codes = by_length[positions]
        ids = data.user_vocabulary.ids.gather(codes).to_list()
        users = [
            {"user_id": user_id, "n_items": int(lengths[code])}
            for user_id, code in zip(ids, codes, strict=True)
            if hashed(str(user_id)) not in snapshot.forgotten
        ]
        return {"users": users, "n_users": len(by_length)}

    return json(await service.gate.run(content))


@router.get("/map", response_model=ItemMap, responses=PROBLEMS)
async def map_of_items(
    service: TheService, desk: TheDesk, n: Annotated[int, Query(ge=1, le=MAX_POINTS)] = 2000
) -> Response:
    """Returns the most popular items as points in a plane, in which similar items are close.

    The coordinates are two principal components of the model's item vectors; `explained` is the
    fraction of the variance that they explain.
    """

    def cached_body() -> bytes:
        snapshot = service.live.snapshot()
        deployed, catalog = snapshot.deployed, snapshot.catalog
        body = desk.cache.get(("map", n), deployed, catalog)
        if body is None:
            points = item_map(deployed.bundle.model, catalog, n)
            model_fields = {"model": deployed.record.model, "version": deployed.record.version}
            body = orjson.dumps(points | model_fields)
            desk.cache.put(("map", n), body, len(body), deployed, catalog)
        return body

    return json(await service.gate.run(cached_body))


@router.get("/drift", response_model=Drift, responses=PROBLEMS)
async def drift(
    service: TheService, desk: TheDesk, n: Annotated[int, Query(ge=1, le=MAX_EVENTS)] = 200
) -> Response:
    """Measures how well the model's lists predict the newest events.

    For each of the newest events with an item that is new to the user, a list is computed from the
    history before the event; it is a hit if the item is among the first 10. The hit rate of the
    most popular items is given for comparison.
    """

    def cached_body() -> bytes:
        snapshot = service.live.snapshot()
        basis = snapshot.deployed, snapshot.catalog
        cache_key = "drift", n, service.live.events.newest()
        body = desk.cache.get(cache_key, *basis)
        if body is None:
            body = orjson.dumps(drift_of(service.live, n))
            desk.cache.put(cache_key, body, len(body), *basis)
        return body

    return json(await service.gate.run(cached_body))


@router.get(
    "/leaderboard",
    response_model=LeaderboardResponse,
    responses=documented(401, 403, 404, 429, 503),
)
async def leaderboard(service: TheService) -> Response:
    """Returns the comparison of models that is stored beside the run, best first."""
    return json(await service.gate.run(lambda: standings(Path(service.settings.run))))


@router.get(
    "/compare",
    response_model=Compared,
    responses=documented(401, 403, 404, 409, 422, 429, 503),
)
async def compare(
    service: TheService,
    desk: TheDesk,
    user_id: Annotated[IdText, Query()],
    k: K = 10,
    deployment: Annotated[
        int | None,
        Query(
            ge=0,
            lt=2**63,
            description="Number of an earlier deployment; by default the latest one that can be "
            "opened.",
        ),
    ] = None,
) -> Response:
    """Returns a user's lists by the current model and by an earlier one."""

    def content() -> dict[str, Any]:
        lists = desk.earlier_models.lists(user_id, k, deployment)
        current = lists[0].record.seq
        return {"user_id": user_id, "lists": [_compared_list(each, current) for each in lists]}

    return json(await service.gate.run(content))


def _compared_list(compared: ComparedDeployment, current: int) -> dict[str, Any]:
    ranked = enumerate(compared.ranked_list.entries, 1)
    return {
        "deployment": deployment_fields(compared.record, current),
        "items": [
            recommended_item(compared.catalog.vocabulary, entry, rank) for rank, entry in ranked
        ],
        "source": compared.ranked_list.source,
    }
