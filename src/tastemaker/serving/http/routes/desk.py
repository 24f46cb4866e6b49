"""The desk: how the service fares, for the people who run it."""

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
"""What a worker's kept answers for the desk may take."""

MOST_KNOWN, MOST_POINTS, MOST_EVENTS = 200, 20_000, 200


class Desk:
    """What is computed for the desk, kept until there may be something else."""

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
    """Which model serves on which data, and what has been asked of it since the start."""

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
            "events_per_minute": events_per_minute(service.live.database),
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
    """Some users of the training data, evenly from the shortest to the longest history.

    Users who were forgotten are not among them.
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
    """The most popular items as points in a plane: what is alike for the model lies close.

    Two principal components of the items' vectors; `explained` says how much of the whole they are.
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
    """Whether the model's lists still meet what people do, asked of the newest events.

    For each of the newest events about something new to somebody, the list from the history
    before it: was the item in the first 10? Beside it, how the most popular items would have done.
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
    """The comparison of models that stands beside the run, best first."""
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
        int | None, Query(ge=0, description="Which earlier one; the latest that can be opened.")
    ] = None,
) -> Response:
    """One user's list by the model that serves, beside that of an earlier one."""

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
