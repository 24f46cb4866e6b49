"""Events: interactions of users, stored before the response is sent."""

import time
from json import dumps
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import Discriminator, Tag

from tastemaker.errors import ConfigError
from tastemaker.serving.http.auth import needs
from tastemaker.serving.http.problems import documented
from tastemaker.serving.http.routes.common import TheService, json
from tastemaker.serving.service import Service
from tastemaker.serving.store.event_rules import refusal_of
from tastemaker.serving.store.events import random_event_id
from tastemaker.serving.store.ids import key_of
from tastemaker.serving.store.tables import NewEvent
from tastemaker.wire import Event, Events, EventsKept


def _request_kind(body: Any) -> str:
    is_batch = isinstance(body, Events) or (isinstance(body, dict) and "events" in body)
    return "batch" if is_batch else "event"


OneOrMany = Annotated[
    Annotated[Events, Tag("batch")] | Annotated[Event, Tag("event")], Discriminator(_request_kind)
]
"""Distinguished by the field `events`, so that an error refers to the kind that was meant."""

router = APIRouter(tags=["events"], dependencies=needs("write"))


@router.post(
    "/events", response_model=EventsKept, responses=documented(401, 403, 413, 422, 429, 503)
)
async def record_events(service: TheService, events: OneOrMany) -> Response:
    """Stores one event or up to 1,000, all or none; responds once they are on disk.

    An event with an event_id can safely be sent again: it counts once.
    """
    batch = events.events if isinstance(events, Events) else [events]
    result = await service.write_gate.run(lambda: store_events(service, batch))
    return json(result)


def store_events(service: Service, events: list[Event]) -> EventsKept:
    """Stores events.

    Raises:
        ConfigError: an event is more than a day in the future or of a kind that the model does not
            know, or an item's id is text where ids are whole numbers; nothing is stored.
        DatabaseUnavailableError: nothing is stored.
    """
    catalog = service.live.snapshot().catalog
    users = service.live.last_snapshot.deployed.everything.user_vocabulary
    now = int(time.time())
    for position, event in enumerate(events):
        refusal = refusal_of(event, catalog.dataset, now)
        if refusal is not None:
            raise ConfigError(f"events.{position}.{refusal.field}: {refusal.reason}")
    new = [
        NewEvent(
            **event.model_dump()
            | {
                "event_id": event.event_id or random_event_id(),
                "user_id": key_of(users, event.user_id),
                "item_id": key_of(catalog.vocabulary, event.item_id),
                "timestamp": now if event.timestamp is None else event.timestamp,
                "context": dumps(event.context) if event.context else None,
            }
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
            sent.item_id
            for sent, event in zip(events, new, strict=True)
            if catalog.record(event.item_id) is None
        ],
    )
