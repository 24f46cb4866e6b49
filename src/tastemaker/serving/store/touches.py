"""Touches: the state of each item in the events of one user."""

from collections.abc import Iterable
from typing import NamedTuple

from tastemaker.serving.store.trending import RETRACT


class Touched(NamedTuple):
    """The state of an item after the events of one user.

    A retraction cancels the events that arrived before it, whatever their timestamps; only events
    that arrive after it count.
    """

    item_id: str
    timestamp: int | None
    """Seconds since 1970 UTC of the latest event that is not retracted; None if there is none."""
    retracted: bool
    """Whether a retraction has removed the item from the history before these events."""


class Touches:
    """The state of each item, built from one user's events in order of arrival."""

    def __init__(self) -> None:
        self._states: dict[str, Touched] = {}

    def add(self, item_id: str, timestamp: int, event_type: str) -> None:
        """Adds the next event."""
        # Inserted again, so that of equal times the later one comes last.
        before = self._states.pop(item_id, None)
        if event_type == RETRACT:
            self._states[item_id] = Touched(item_id, None, retracted=True)
        else:
            latest = timestamp if before is None else max(timestamp, before.timestamp or 0)
            retracted = before is not None and before.retracted
            self._states[item_id] = Touched(item_id, latest, retracted)

    def states(self) -> list[Touched]:
        """Returns the current states, by time and then by arrival."""
        return sorted(self._states.values(), key=lambda touched: touched.timestamp or 0)


def item_states(rows: Iterable[tuple[str, int, str]]) -> list[Touched]:
    """Returns the state of each item after events of one user, by time and then by arrival.

    Args:
        rows: item id, timestamp and type of each event, in order of arrival.
    """
    touches = Touches()
    for row in rows:
        touches.add(*row)
    return touches.states()
