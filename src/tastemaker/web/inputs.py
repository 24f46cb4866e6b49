"""Inputs: validates what a visitor sends, with the types of the API, before it is used.

Forms, queries, paths and cookies can hold anything. A value that one of these types rejects raises
`InputError`, which is shown as a page with status 422.
"""

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs, unquote

from pydantic import StringConstraints, TypeAdapter, ValidationError
from starlette.requests import Request

from tastemaker import wire
from tastemaker.errors import TastemakerError

MAX_FIELDS = 1_000
"""Maximum number of fields in one form."""

LONGEST_SEARCH = 200

T = TypeVar("T")

_ID: TypeAdapter[str] = TypeAdapter(wire.IdText)
_EVENT_ID: TypeAdapter[str] = TypeAdapter(wire.EventId)
_CATEGORY: TypeAdapter[str] = TypeAdapter(wire.Category)
_SEARCH_TEXT: TypeAdapter[str] = TypeAdapter(
    Annotated[wire.Text, StringConstraints(max_length=LONGEST_SEARCH)]
)


class InputError(TastemakerError):
    """A field of a form or URL has an invalid value."""


class Form:
    """The fields of a form that was sent.

    Args:
        body: body of the request, as application/x-www-form-urlencoded.

    Raises:
        InputError: the body is not UTF-8, or has more than MAX_FIELDS fields.
    """

    def __init__(self, body: bytes) -> None:
        try:
            self._fields = parse_qs(
                body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
            )
        except ValueError:
            raise InputError(
                f"the form cannot be read; send at most {MAX_FIELDS:,} fields in UTF-8"
            ) from None

    def __getitem__(self, name: str) -> str:
        """The last value of a field; an empty string if there is none."""
        return self.all(name)[-1] if self.all(name) else ""

    def all(self, name: str) -> list[str]:
        """All values of a field."""
        return self._fields.get(name, [])


def id_in(text: str, name: str) -> str:
    """Validates the id in a field.

    Raises:
        InputError: it is empty, longer than 256 characters, or has control characters.
    """
    return _checked(_ID, text, name)


def event_id_in(text: str) -> str:
    """Validates the id of an event.

    Raises:
        InputError: it is empty, longer than 128 characters, or has control characters.
    """
    return _checked(_EVENT_ID, text, "event")


def category_in(request: Request) -> str:
    """The category in the query of a URL; an empty string if there is none.

    Raises:
        InputError: it is longer than 256 characters, or has control characters.
    """
    text = request.query_params.get("category", "")
    return _checked(_CATEGORY, text, "category") if text else ""


def search_text_in(request: Request) -> str:
    """The search text in the query of a URL, without surrounding whitespace.

    Raises:
        InputError: it is longer than LONGEST_SEARCH characters, or has control characters.
    """
    return _checked(_SEARCH_TEXT, request.query_params.get("q", "").strip(), "q")


def valid_ids(texts: Iterable[str]) -> list[str]:
    """The texts that are ids in a request; the training data may contain others."""
    return [text for text in texts if _is_id(text)]


def id_in_text(quoted: str) -> str | None:
    """The id in a percent-encoded text; None if it is invalid."""
    try:
        return id_in(unquote(quoted, errors="strict"), "id")
    except (InputError, UnicodeDecodeError):
        return None


def _is_id(text: str) -> bool:
    try:
        _ID.validate_python(text)
    except ValidationError:
        return False
    return True


def _checked(kind: TypeAdapter[T], value: Any, name: str) -> T:
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InputError(f"{name}: {reason[0].lower()}{reason[1:]}") from None
