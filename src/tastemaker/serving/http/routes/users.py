"""Users: their features and histories, and the deletion of their data."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.errors import ConfigError
from tastemaker.serving.http.auth import needs
from tastemaker.serving.http.paths import PathId
from tastemaker.serving.http.problems import documented
from tastemaker.serving.http.routes.common import TheService, json
from tastemaker.serving.live.list_responses import item_fields
from tastemaker.serving.live.user_features import current_features, refuse_wrong_features
from tastemaker.serving.service import Service
from tastemaker.serving.store.events import random_event_id
from tastemaker.serving.store.ids import code_of, id_of, key_of
from tastemaker.serving.store.tables import NewEvent
from tastemaker.serving.store.trending import RETRACT
from tastemaker.serving.store.users import UserRecord
from tastemaker.wire import LONGEST_HISTORY, Forgotten, User, UserBody, UserHistory

router = APIRouter(tags=["users"])


@router.get(
    "/users/{user_id}",
    response_model=User,
    responses=documented(401, 403, 422, 429, 503),
    dependencies=needs("read"),
)
async def get_user(service: TheService, user_id: PathId) -> Response:
    """Returns the features of a user that were sent since the training; none for an unseen user."""
    return json(await service.gate.run(lambda: _user(service, user_id)))


@router.put(
    "/users/{user_id}",
    response_model=User,
    responses=documented(401, 403, 413, 422, 429, 503),
    dependencies=needs("write"),
)
async def put_user(service: TheService, user_id: PathId, body: UserBody) -> Response:
    """Stores the features of a user, and replaces those that were sent before.

    A model that reads features of users uses them from the next list on.
    """

    def put() -> dict[str, Any]:
        everything = service.live.snapshot().deployed.everything
        try:
            refuse_wrong_features(everything, body.features)
        except ConfigError as error:
            raise ConfigError(f"body.features: {error}") from None
        key = key_of(everything.user_vocabulary, user_id)
        service.live.users.put([UserRecord(key, body.features)])
        return _user(service, user_id)

    return json(await service.write_gate.run(put))


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
    """Removes an item from a user's history, as if the user had not interacted with it."""

    def append_retraction() -> None:
        deployed = service.live.snapshot().deployed.everything
        event = NewEvent(
            random_event_id(),
            key_of(deployed.user_vocabulary, user_id),
            key_of(deployed.item_vocabulary, item_id),
            int(time.time()),
            RETRACT,
        )
        service.live.events.append([event])

    await service.write_gate.run(append_retraction)
    return Response(status_code=204)


@router.delete(
    "/users/{user_id}",
    response_model=Forgotten,
    responses=documented(401, 403, 422, 429, 503),
    dependencies=needs("write"),
)
async def forget_user(service: TheService, user_id: PathId) -> Response:
    """Forgets a user: deletes the events and features, and no longer uses the training data."""

    def forget() -> Forgotten:
        vocabulary = service.live.snapshot().deployed.everything.user_vocabulary
        key = key_of(vocabulary, user_id)
        n_events = service.live.events.forget(key)
        trained = code_of(vocabulary, key) != UNKNOWN
        notice = (
            "the folder of the run contains the user's training data, which are no longer used; "
            "to remove them, train again with --from-events"
        )
        return Forgotten(
            user_id=id_of(vocabulary, key),
            events=n_events,
            until_next_training=notice if trained else None,
        )

    return json(await service.write_gate.run(forget))


def _user(service: Service, user_id: str) -> dict[str, Any]:
    """Returns the content of a `wire.User`."""
    vocabulary = service.live.last_snapshot.deployed.everything.user_vocabulary
    user_snapshot = service.live.user_snapshot(key_of(vocabulary, user_id))
    deployed, sent = user_snapshot.snapshot.deployed, user_snapshot.stored.features
    # The model knows an unseen user without a history only if it reads one of the features.
    features = current_features(deployed.everything, UNKNOWN, sent)
    is_cold = deployed.bundle.model.is_cold(UserBatch.unseen_users([[]], [features]))
    return {
        "user_id": id_of(vocabulary, user_snapshot.key),
        "features": sent or {},
        "trained": user_snapshot.user.code != UNKNOWN,
        "features_used": not is_cold[0],
        "degraded": user_snapshot.snapshot.degraded,
    }


def _history(service: Service, user_id: str, limit: int) -> dict[str, Any]:
    users = service.live.last_snapshot.deployed.everything.user_vocabulary
    key = key_of(users, user_id)
    user_snapshot = service.live.user_snapshot(key)
    catalog, user = user_snapshot.snapshot.catalog, user_snapshot.user
    times = [None] * len(user.items) if user.timestamps is None else user.timestamps.tolist()
    touched = [
        (catalog.at(code), time, "event" if code in user.from_events else "training")
        for code, time in zip(user.items.tolist(), times, strict=True)
    ] + [(catalog.record(item), time, "event") for item, time in user.new_items]
    touched.sort(key=lambda touch: touch[1] or 0)
    # Of a data set that keeps repeats, a history has several rows of an item.
    rows: dict[str, dict[str, Any]] = {}
    for record, touched_at, origin in reversed(touched):
        if record is not None and not record.deleted and record.item_id not in rows:
            fields = item_fields(catalog.vocabulary, record)
            rows[record.item_id] = fields | {"timestamp": touched_at, "origin": origin}
    return {
        "user_id": id_of(users, key),
        "items": list(rows.values())[:limit],
        "degraded": user_snapshot.snapshot.degraded,
    }
