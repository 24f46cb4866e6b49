"""Event rules: checks of every event, whether it comes in a request or in a file."""

from typing import NamedTuple

from tastemaker.data.dataset import Dataset
from tastemaker.errors import UnknownIdError
from tastemaker.serving.store.ids import key_of
from tastemaker.serving.store.trending import RETRACT
from tastemaker.wire import Event

LATEST_S = 86_400
"""Maximum time, in seconds, by which an event may lie in the future, since clocks differ. An event
further ahead would be trending until then."""


class Refusal(NamedTuple):
    """Why an event is refused."""

    field: str
    reason: str


def refusal_of(event: Event, data: Dataset | None, now: int) -> Refusal | None:
    """Returns why an event whose values are each valid is refused; None if it is not.

    Args:
        event: the event as it was sent.
        data: the data that the model was trained with, if there is a model.
        now: the current time, in seconds since 1970.
    """
    if event.timestamp is not None and event.timestamp > now + LATEST_S:
        reason = (
            f"{event.timestamp} is more than a day in the future; timestamps are seconds since "
            "1970, not milliseconds"
        )
        return Refusal("timestamp", reason)
    if data is None:
        return None
    try:
        key_of(data.item_vocabulary, event.item_id)
    except UnknownIdError as error:
        return Refusal("item_id", str(error))
    kinds = data.rules.kinds
    if kinds is not None and event.type != RETRACT and kinds.weight_of(event.type) is None:
        known = ", ".join(kinds.names)
        if "type" not in event.model_fields_set:
            return Refusal("type", f"give the type of the event: {known} or {RETRACT}")
        reason = f'the model knows no kind of event "{event.type}"; it knows {known} and {RETRACT}'
        return Refusal("type", reason)
    return None
