"""Paths: ids in a path may contain escaped slashes, and must be UTF-8.

ASGI servers pass on paths with the escapes decoded. Then "DELETE /v1/users/7%2Fhistory%2F3", which
forgets the user "7/history/3", cannot be distinguished from the removal of item 3 from the history
of user 7. They also replace all bytes that are not UTF-8 by the same character, which would make
different ids equal.
"""

from typing import Annotated
from urllib.parse import unquote, unquote_to_bytes

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BeforeValidator, TypeAdapter, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from tastemaker.serving.http.problems import problem
from tastemaker.wire import IdText


class EscapedPathIds:
    """Refuses URLs that are not UTF-8, and keeps slashes within the parts of API paths escaped."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection; see the ASGI specification."""
        if scope["type"] == "http":
            raw: bytes = scope.get("raw_path") or b""
            for part, text in (("path", raw), ("query", scope["query_string"])):
                if not _is_utf_8(text):
                    detail = f"the {part} is not UTF-8; percent-encode UTF-8, as in %C3%A9 for é"
                    await problem(422, detail, scope.get("request_id"))(scope, receive, send)
                    return
            if b"%" in raw and below_root(scope).startswith("/v1/"):
                parts = raw.decode("latin-1").split("/")
                scope["path"] = "/".join(_escaped(unquote(part)) for part in parts)
        await self._app(scope, receive, send)


def below_root(scope: Scope) -> str:
    """Returns the path of a request without the prefix that a proxy puts before it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _is_utf_8(escaped: bytes) -> bool:
    if escaped.isascii() and b"%" not in escaped:
        return True
    try:
        unquote_to_bytes(escaped).decode()
    except UnicodeDecodeError:
        return False
    return True


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F")


def _unescaped(part: str) -> str:
    return part.replace("%2F", "/").replace("%25", "%")


PathId = Annotated[IdText, BeforeValidator(_unescaped)]
"""An id in the path of a request."""

_checked = TypeAdapter(PathId).validate_python


def path_id(request: Request, name: str) -> str:
    """Returns an id from the path, for a route whose parameters FastAPI does not parse.

    Raises:
        RequestValidationError: it is too long, or contains control characters.
    """
    try:
        return _checked(request.path_params[name])
    except ValidationError as error:
        errors = [each | {"loc": ("path", name)} for each in error.errors()]
        raise RequestValidationError(errors) from None
