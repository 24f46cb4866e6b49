"""Event rules: what holds of every event, whether it comes in a request or in a file."""

from typing import NamedTuple

from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import UnknownIdError
from tastemaker.serving.store.ids import key_of
from tastemaker.wire import Event

LATEST_S = 86_400
"""How far in the future an event may be: clocks differ, and it would be trending until then."""


class Refusal(NamedTuple):
    """Why an event is refused."""

    field: str
    reason: str


def refusal_of(event: Event, items: Vocabulary | None, now: int) -> Refusal | None:
    """What is wrong with an event whose values are each valid; None if nothing is.

    Args:
        event: as it was sent.
        items: those that the model was trained with, where there is one.
        now: in seconds since 1970.
    """
    if event.timestamp is not None and event.timestamp > now + LATEST_S:
        reason = (
            f"{event.timestamp} is more than a day in the future; timestamps are seconds since "
            "1970, not milliseconds"
        )
        return Refusal("timestamp", reason)
    if items is not None:
        try:
            key_of(items, event.item_id)
        except UnknownIdError as error:
            return Refusal("item_id", str(error))
    return None
