"""The desk: routes with statistics and diagnostics for the operators of the service."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from tastemaker.serving.desk.comparing import ComparedDeployment, EarlierModels
from tastemaker.serving.desk.drift import drift as drift_of
from tastemaker.serving.desk.item_map import item_map
from tastemaker.serving.desk.standings import standings
from tastemaker.serving.desk.stats import events_per_minute, numbers_of
from tastemaker.serving.http.auth import needs
from tastemaker.serving.http.problems import documented
from tastemaker.serving.http.routes.admin import shown
from tastemaker.serving.http.routes.common import TheService, json
from tastemaker.serving.live.answers import recommended_item
from tastemaker.serving.live.kept import Kept
from tastemaker.serving.service import Service
from tastemaker.serving.store.events import hashed
from tastemaker.wire import Compared, Drift, ItemMap, K, KnownUsers, LeaderboardResponse, Stats

router = APIRouter(prefix="/admin", tags=["admin"], dependencies=needs("admin"))

PROBLEMS = documented(401, 403, 422, 429, 503)

MOST_BYTES = 16 << 20
"""Maximum size of a worker's cache of responses for the desk, in bytes."""

MOST_KNOWN, MOST_POINTS, MOST_EVENTS = 200, 20_000, 200


class Desk:
    """Holds an earlier model for comparisons, and caches responses until they may change."""

    def __init__(self, service: Service) -> None:
        self.comparing = EarlierModels(service.live)
        self.kept: Kept[bytes] = Kept(MOST_BYTES)


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

    def found() -> dict[str, Any]:
        snapshot = service.live.snapshot()
        deployed, data = snapshot.deployed, snapshot.deployed.everything
        return {
            "deployment": shown(deployed.record, deployed.record.seq),
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
            **numbers_of(service.telemetry),
        }

    return json(await service.gate.run(found))


@router.get("/users", response_model=KnownUsers, responses=PROBLEMS)
async def known_users(
    service: TheService, limit: Annotated[int, Query(ge=1, le=MOST_KNOWN)] = 20
) -> Response:
    """Returns some users of the training data, evenly from the shortest to the longest history.

    Users who were forgotten are left out.
    """

    def found() -> dict[str, Any]:
        snapshot = service.live.snapshot()
        data = snapshot.deployed.everything
        lengths = np.diff(data.indptr)
        ordered = np.argsort(lengths, kind="stable")
        ordered = ordered[lengths[ordered] > 0]
        places = np.linspace(0, len(ordered) - 1, min(limit, len(ordered))).round().astype(int)
        codes = ordered[places]
        ids = data.user_vocabulary.ids.gather(codes).to_list()
        users = [
            {"user_id": user, "n_items": int(lengths[code])}
            for user, code in zip(ids, codes, strict=True)
            if hashed(str(user)) not in snapshot.forgotten
        ]
        return {"users": users, "n_users": len(ordered)}

    return json(await service.gate.run(found))


@router.get("/map", response_model=ItemMap, responses=PROBLEMS)
async def map_of_items(
    service: TheService, desk: TheDesk, n: Annotated[int, Query(ge=1, le=MOST_POINTS)] = 2000
) -> Response:
    """Returns the most popular items as points in a plane, in which similar items are close.

    The coordinates are two principal components of the model's item vectors; `explained` is the
    fraction of the variance that they explain.
    """

    def found() -> bytes:
        snapshot = service.live.snapshot()
        deployed, catalog = snapshot.deployed, snapshot.catalog
        kept = desk.kept.get(("map", n), deployed, catalog)
        if kept is None:
            points = item_map(deployed.bundle.model, catalog, n)
            named = {"model": deployed.record.model, "version": deployed.record.version}
            kept = orjson.dumps(points | named)
            desk.kept.put(("map", n), kept, len(kept), deployed, catalog)
        return kept

    return json(await service.gate.run(found))


@router.get("/drift", response_model=Drift, responses=PROBLEMS)
async def drift(
    service: TheService, desk: TheDesk, n: Annotated[int, Query(ge=1, le=MOST_EVENTS)] = 200
) -> Response:
    """Measures how well the model's lists predict the newest events.

    For each of the newest events with an item that is new to the user, a list is computed from the
    history before the event; it is a hit if the item is among the first 10. The hit rate of the
    most popular items is given for comparison.
    """

    def found() -> bytes:
        snapshot = service.live.snapshot()
        basis = snapshot.deployed, snapshot.catalog
        question = "drift", n, service.live.events.newest()
        kept = desk.kept.get(question, *basis)
        if kept is None:
            kept = orjson.dumps(drift_of(service.live, n))
            desk.kept.put(question, kept, len(kept), *basis)
        return kept

    return json(await service.gate.run(found))


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
    user_id: Annotated[str, Query(min_length=1, max_length=256)],
    k: K = 10,
    deployment: Annotated[
        int | None,
        Query(
            ge=0,
            description="Number of an earlier deployment; by default the latest one that can be "
            "opened.",
        ),
    ] = None,
) -> Response:
    """Returns a user's lists by the current model and by an earlier one."""

    def found() -> dict[str, Any]:
        lists = desk.comparing.lists(user_id, k, deployment)
        current = lists[0].record.seq
        return {"user_id": user_id, "lists": [_compared(each, current) for each in lists]}

    return json(await service.gate.run(found))


def _compared(one: ComparedDeployment, current: int) -> dict[str, Any]:
    places = enumerate(one.made.places, 1)
    return {
        "deployment": shown(one.record, current),
        "items": [recommended_item(one.catalog.vocabulary, place, rank) for rank, place in places],
        "source": one.made.source,
    }
