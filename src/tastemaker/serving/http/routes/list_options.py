"""Reads the options of a list from the query of a URL.

FastAPI would parse and validate the parameters for each request, which takes longer than the rest
of a response that is in the cache. Most requests have one of a few short queries, so the options of
each query are cached.
"""

from functools import lru_cache
from urllib.parse import parse_qs

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from tastemaker.wire import LONGEST_ID, Listing

ID_PARAMETER = {
    "name": "user_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_ID},
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

_REPEATABLE = ("categories", "exclude")

LONGEST_CACHED = 256
"""Maximum length of a cached query; longer ones would fill the memory and rarely repeat."""


def listing_in(query: str) -> Listing:
    """Returns the listing that a query requests.

    Raises:
        RequestValidationError: an unknown parameter, or a value out of its range.
    """
    return _cached(query) if len(query) <= LONGEST_CACHED else _parsed(query)


def _parsed(query: str) -> Listing:
    parameters = parse_qs(query, keep_blank_values=True)
    values = {
        name: texts if name in _REPEATABLE else texts[-1] for name, texts in parameters.items()
    }
    try:
        return Listing.model_validate(values)
    except ValidationError as error:
        errors = [each | {"loc": ("query", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(errors) from None


_cached = lru_cache(maxsize=4096)(_parsed)
