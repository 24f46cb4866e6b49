"""Touches: the events of one user that stand, after retractions."""

from collections.abc import Iterable
from typing import NamedTuple

from tastemaker.serving.store.tables import events
from tastemaker.serving.store.trending import RETRACT

OF_HISTORY = (events.c.item_id, events.c.timestamp, events.c.type, events.c.value)
"""The columns on which a user's history depends, as `Touches.add` takes them."""


class Touched(NamedTuple):
    """An event that stands, or the retraction of an item without later events.

    A retraction cancels the events that arrived before it, whatever their timestamps; only events
    that arrive after it count.
    """

    item_id: str
    timestamp: int | None
    """Time of the event, in seconds since 1970 UTC; None for a retraction."""
    retracted: bool
    """Whether a retraction has removed the item from the history before this event."""
    type: str = RETRACT
    value: float | None = None


class Touches:
    """The standing events of one user, built from the events in order of arrival."""

    def __init__(self) -> None:
        self._events: dict[str, list[tuple[int, Touched]]] = {}
        self._retracted: set[str] = set()
        self._n_arrived = 0

    def add(
        self, item_id: str, timestamp: int, event_type: str, value: float | None = None
    ) -> None:
        """Adds the next event."""
        self._n_arrived += 1
        if event_type == RETRACT:
            self._retracted.add(item_id)
            self._events[item_id] = [(self._n_arrived, Touched(item_id, None, retracted=True))]
            return
        events = self._events.setdefault(item_id, [])
        if events and events[0][1].timestamp is None:
            events.clear()
        retracted = item_id in self._retracted
        event = Touched(item_id, timestamp, retracted, event_type, value)
        events.append((self._n_arrived, event))

    def standing(self) -> list[Touched]:
        """Returns the events that stand, by time and then by arrival."""
        events = (event for of_item in self._events.values() for event in of_item)
        ordered = sorted(events, key=lambda event: (event[1].timestamp or 0, event[0]))
        return [event for _, event in ordered]


def standing_events(rows: Iterable[tuple[str, int, str, float | None]]) -> list[Touched]:
    """Returns the events of one user that stand, by time and then by arrival.

    Args:
        rows: item id, timestamp, type and value of each event, in order of arrival.
    """
    touches = Touches()
    for row in rows:
        touches.add(*row)
    return touches.standing()
