"""Paths: a slash inside an id stays inside it.

Servers hand paths over unescaped, and then "DELETE /v1/users/7%2Fhistory%2F3", to forget the user
"7/history/3", cannot be told from taking item 3 out of the history of user 7.
"""

from typing import Annotated
from urllib.parse import unquote

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from tastemaker.wire import Text


class WholeIds:
    """Hands paths of the API on with the slashes inside their parts still escaped."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            raw: bytes = scope.get("raw_path") or b""
            if b"%" in raw:
                parts = raw.decode("latin-1").split("/")
                scope["path"] = "/".join(_escaped(unquote(part)) for part in parts)
        await self._app(scope, receive, send)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F")


def _unescaped(part: str) -> str:
    return part.replace("%2F", "/").replace("%25", "%")


PathId = Annotated[Text, BeforeValidator(_unescaped), Field(min_length=1, max_length=256)]
"""An id in the path of a request."""

_checked = TypeAdapter(PathId).validate_python


def path_id(request: Request, name: str) -> str:
    """An id in the path, for a route that reads it by itself.

    Raises:
        RequestValidationError: it is too long, or cannot be printed.
    """
    try:
        return _checked(request.path_params[name])
    except ValidationError as error:
        errors = [each | {"loc": ("path", name)} for each in error.errors()]
        raise RequestValidationError(errors) from None
