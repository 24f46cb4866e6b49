"""Users: their histories, and the deletion of their data."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.serving.http.auth import needs
from tastemaker.serving.http.paths import PathId
from tastemaker.serving.http.problems import documented
from tastemaker.serving.http.routes.common import TheService, json
from tastemaker.serving.live.answers import described
from tastemaker.serving.service import Service
from tastemaker.serving.store.events import made_up_id
from tastemaker.serving.store.ids import code_of, id_of, key_of
from tastemaker.serving.store.tables import NewEvent
from tastemaker.serving.store.trending import RETRACT
from tastemaker.wire import LONGEST_HISTORY, Forgotten, UserHistory

router = APIRouter(tags=["users"])


@router.get(
    "/users/{user_id}/history",
    response_model=UserHistory,
    responses=documented(401, 403, 422, 429, 503),
    dependencies=needs("read"),
)
async def history_of_user(
    service: TheService,
    user_id: PathId,
    limit: Annotated[int, Query(ge=1, le=LONGEST_HISTORY)] = 100,
) -> Response:
    """Returns the history of a user, latest first; empty for an unseen user."""
    return json(await service.gate.run(lambda: _history(service, user_id, limit)))


@router.delete(
    "/users/{user_id}/history/{item_id}",
    status_code=204,
    responses=documented(401, 403, 422, 429, 503),
    dependencies=needs("write"),
)
async def retract(service: TheService, user_id: PathId, item_id: PathId) -> Response:
    """Removes an item from a user's history, as if it had not been touched."""

    def take_out() -> None:
        deployed = service.live.snapshot().deployed.everything
        event = NewEvent(
            made_up_id(),
            key_of(deployed.user_vocabulary, user_id),
            key_of(deployed.item_vocabulary, item_id),
            int(time.time()),
            RETRACT,
        )
        service.live.events.append([event])

    await service.writing.run(take_out)
    return Response(status_code=204)


@router.delete(
    "/users/{user_id}",
    response_model=Forgotten,
    responses=documented(401, 403, 422, 429, 503),
    dependencies=needs("write"),
)
async def forget_user(service: TheService, user_id: PathId) -> Response:
    """Forgets a user: deletes the events, and no longer uses the user's training data."""

    def forget() -> Forgotten:
        vocabulary = service.live.snapshot().deployed.everything.user_vocabulary
        key = key_of(vocabulary, user_id)
        gone = service.live.events.forget(key)
        trained = code_of(vocabulary, key) != UNKNOWN
        remains = (
            "the folder of the run contains the user's training data, which are no longer used; "
            "to remove them, train again with --from-events"
        )
        return Forgotten(
            user_id=id_of(vocabulary, key),
            events=gone,
            until_next_training=remains if trained else None,
        )

    return json(await service.writing.run(forget))


def _history(service: Service, user_id: str, limit: int) -> dict[str, Any]:
    users = service.live.held.deployed.everything.user_vocabulary
    key = key_of(users, user_id)
    look = service.live.look(key)
    catalog, person = look.snapshot.catalog, look.person
    times = [None] * len(person.items) if person.timestamps is None else person.timestamps.tolist()
    touched = [
        (catalog.at(code), time, "event" if code in person.from_events else "training")
        for code, time in zip(person.items.tolist(), times, strict=True)
    ] + [(catalog.record(item), time, "event") for item, time in person.new_items]
    rows = [
        described(catalog.vocabulary, record) | {"timestamp": time, "origin": origin}
        for record, time, origin in touched
        if record is not None and not record.deleted
    ]
    rows.sort(key=lambda row: row["timestamp"] or 0)
    return {
        "user_id": id_of(users, key),
        "items": rows[::-1][:limit],
        "degraded": look.snapshot.degraded,
    }
