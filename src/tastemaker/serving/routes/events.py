"""Events: what happened, kept before it is answered."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import Discriminator, Tag

from tastemaker.errors import ConfigError
from tastemaker.serving.auth import needs
from tastemaker.serving.event_store import NewEvent, made_up_id
from tastemaker.serving.ids import key_of
from tastemaker.serving.problems import documented
from tastemaker.serving.routes.common import TheService, json
from tastemaker.serving.service import Service
from tastemaker.wire import Event, Events, EventsKept

LATEST_S = 86_400
"""How far in the future an event may be: clocks differ, and it would be trending until then."""


def _which(body: Any) -> str:
    several = isinstance(body, Events) or (isinstance(body, dict) and "events" in body)
    return "batch" if several else "event"


OneOrMany = Annotated[
    Annotated[Events, Tag("batch")] | Annotated[Event, Tag("event")], Discriminator(_which)
]
"""Told apart by what is there, so that an error speaks of what was meant."""

router = APIRouter(tags=["events"], dependencies=needs("write"))


@router.post(
    "/events", response_model=EventsKept, responses=documented(401, 403, 413, 422, 429, 503)
)
async def record_events(service: TheService, events: OneOrMany) -> Response:
    """Keeps one event or up to 1,000, all or none; answered once they are on disk.

    With an event_id it is safe to send an event again: it counts once.
    """
    several = events.events if isinstance(events, Events) else [events]
    kept = await service.writing.run(lambda: keep(service, several))
    return json(kept)


def keep(service: Service, events: list[Event]) -> EventsKept:
    """Keeps events.

    Raises:
        UnknownIdError: an item's id is text where ids are whole numbers; nothing is kept.
        ConfigError: an event is of a later day; nothing is kept.
        DatabaseAwayError: nothing is kept.
    """
    catalog = service.live.snapshot().catalog
    users = service.live.held.deployed.everything.user_vocabulary
    now = int(time.time())
    _refuse_future(events, now)
    new = [
        NewEvent(
            event.event_id or made_up_id(),
            key_of(users, event.user_id),
            key_of(catalog.vocabulary, event.item_id),
            now if event.timestamp is None else event.timestamp,
            event.type,
        )
        for event in events
    ]
    accepted = service.live.events.append(new)
    duplicates = len(new) - accepted
    service.telemetry.events.labels("accepted").inc(accepted)
    service.telemetry.events.labels("duplicate").inc(duplicates)
    return EventsKept(
        accepted=accepted,
        duplicates=duplicates,
        event_ids=[event.event_id for event in new],
        unknown_items=[
            given.item_id
            for given, event in zip(events, new, strict=True)
            if catalog.record(event.item_id) is None
        ],
    )


def _refuse_future(events: list[Event], now: int) -> None:
    for place, event in enumerate(events):
        if event.timestamp is not None and event.timestamp > now + LATEST_S:
            raise ConfigError(
                f"events.{place}.timestamp: {event.timestamp} is more than a day in the future; "
                "timestamps are seconds since 1970, not milliseconds"
            )
