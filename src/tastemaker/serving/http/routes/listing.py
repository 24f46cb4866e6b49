"""Reads the options of a list from the query of a URL.

FastAPI would parse and validate the parameters for each request, which takes longer than the rest
of a response that is in the cache. Most requests have one of a few short queries, so the options of
each query are cached.
"""

from functools import lru_cache
from urllib.parse import parse_qs

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from tastemaker.wire import Listing

ID_PARAMETER = {
    "name": "user_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 256},
}

LISTING_PARAMETERS = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": schema.pop("description", ""),
        "schema": schema,
    }
    for name, schema in Listing.model_json_schema()["properties"].items()
]
"""The parameters for the OpenAPI schema."""

_MANY = ("categories", "exclude")

LONGEST_KEPT = 256
"""Maximum length of a cached query; longer ones would fill the memory and rarely repeat."""


def listing_in(query: str) -> Listing:
    """Returns the listing that a query requests.

    Raises:
        RequestValidationError: an unknown parameter, or a value out of its range.
    """
    return _kept(query) if len(query) <= LONGEST_KEPT else _read(query)


def _read(query: str) -> Listing:
    given = parse_qs(query, keep_blank_values=True)
    values = {name: texts if name in _MANY else texts[-1] for name, texts in given.items()}
    try:
        return Listing.model_validate(values)
    except ValidationError as error:
        errors = [each | {"loc": ("query", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(errors) from None


_kept = lru_cache(maxsize=4096)(_read)
