"""Touches: what the events of one user say of the items in them."""

from collections.abc import Iterable
from typing import NamedTuple

from tastemaker.serving.store.trending import RETRACT


class Touched(NamedTuple):
    """What the events of one user say of an item.

    A retraction takes out what is there when it arrives, whatever the clocks of the senders say;
    only what arrives after it counts.
    """

    item_id: str
    timestamp: int | None
    """Seconds since 1970 UTC of the latest event that no retraction has taken out; None without."""
    retracted: bool
    """Whether a retraction has taken the item out of what was known before these events."""


class Touches:
    """What the events of one user say of each item, event by event in the order of arrival."""

    def __init__(self) -> None:
        self._found: dict[str, Touched] = {}

    def add(self, item_id: str, timestamp: int, kind: str) -> None:
        """Takes the next event."""
        # Put anew, so that of equal times the later one comes last.
        before = self._found.pop(item_id, None)
        if kind == RETRACT:
            self._found[item_id] = Touched(item_id, None, retracted=True)
        else:
            latest = timestamp if before is None else max(timestamp, before.timestamp or 0)
            retracted = before is not None and before.retracted
            self._found[item_id] = Touched(item_id, latest, retracted)

    def now(self) -> list[Touched]:
        """What they say so far, by time, and of equal times by arrival."""
        return sorted(self._found.values(), key=lambda touched: touched.timestamp or 0)


def latest_of(rows: Iterable[tuple[str, int, str]]) -> list[Touched]:
    """What events of one user say of each item, by time, and of equal times by arrival.

    Args:
        rows: item id, timestamp and type of each event, in the order of their arrival.
    """
    touches = Touches()
    for row in rows:
        touches.add(*row)
    return touches.now()
