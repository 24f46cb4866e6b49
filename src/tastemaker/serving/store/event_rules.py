"""Event rules: checks of every event, whether it comes in a request or in a file."""

from typing import NamedTuple

from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import UnknownIdError
from tastemaker.serving.store.ids import key_of
from tastemaker.wire import Event

LATEST_S = 86_400
"""Maximum time, in seconds, by which an event may lie in the future, since clocks differ. An event
further ahead would be trending until then."""


class Refusal(NamedTuple):
    """Why an event is refused."""

    field: str
    reason: str


def refusal_of(event: Event, items: Vocabulary | None, now: int) -> Refusal | None:
    """Returns why an event whose values are each valid is refused; None if it is not.

    Args:
        event: the event as it was sent.
        items: the items that the model was trained with, if there is a model.
        now: the current time, in seconds since 1970.
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
