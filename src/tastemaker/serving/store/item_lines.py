"""Item lines: many items in one request body, in JSON Lines."""

import re
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import ConfigError, UnknownIdError
from tastemaker.serving.store.ids import key_of
from tastemaker.serving.store.items import ItemRecord
from tastemaker.wire import CatalogItem

MEDIA_TYPE = "application/x-ndjson"


def records_in(body: bytes, vocabulary: Vocabulary) -> list[ItemRecord]:
    """Returns the items of a body in JSON Lines; empty lines are skipped.

    Raises:
        RequestValidationError: a line is not a valid item; names the first one and its errors.
        UnknownIdError: an id is text where ids are whole numbers; names the line.
        ConfigError: there is no item.
    """
    records = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            records.append(record_of(CatalogItem.model_validate_json(line), vocabulary))
        except ValidationError as error:
            raise RequestValidationError(
                [_in_line(number, each) for each in error.errors()]
            ) from None
        except UnknownIdError as error:
            raise UnknownIdError(f"line {number}.item_id: {error}") from None
    if not records:
        raise ConfigError("body: there are no items; send one item per line, as JSON")
    return records


def record_of(item: CatalogItem, vocabulary: Vocabulary | None) -> ItemRecord:
    """Returns an item as a record of the store.

    Args:
        item: the item as it was sent.
        vocabulary: vocabulary of the items that the model was trained with, if it is known.

    Raises:
        UnknownIdError: the id is text where ids are whole numbers.
    """
    key = str(item.item_id) if vocabulary is None else key_of(vocabulary, item.item_id)
    return ItemRecord(key).with_fields(item.model_dump(exclude={"item_id"}))


def _in_line(number: int, error: Any) -> Any:
    # Each line is parsed by itself, so the line in the message is always 1.
    message = re.sub(r" at line 1 column", " at column", error["msg"])
    return error | {"loc": (f"line {number}", *error["loc"]), "msg": message}
