"""Problems: errors in the format of RFC 9457, with the library's messages and no stack trace."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tastemaker.errors import (
    ArtifactError,
    ConfigError,
    TastemakerError,
    UnknownIdError,
    UnsupportedError,
)
from tastemaker.serving.store.outages import DatabaseUnavailableError
from tastemaker.wire import Problem

MEDIA_TYPE = "application/problem+json"

RETRY_AFTER_S = 1
"""Seconds in the Retry-After header of responses with status 429 or 503."""

log = structlog.get_logger("tastemaker.service")


class TooBusyError(TastemakerError):
    """The queue is full, or a rate limit is exceeded; the client may try again."""


class TooSlowError(TastemakerError):
    """A request took longer than its timeout."""


class NotAllowedError(TastemakerError):
    """The key is missing, invalid, or lacks the required scope."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotFoundError(TastemakerError):
    """The requested resource does not exist."""


STATUS: dict[type[TastemakerError], int] = {
    DatabaseUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    TooSlowError: HTTPStatus.SERVICE_UNAVAILABLE,
    TooBusyError: HTTPStatus.TOO_MANY_REQUESTS,
    NotFoundError: HTTPStatus.NOT_FOUND,
    UnknownIdError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ConfigError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnsupportedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ArtifactError: HTTPStatus.CONFLICT,
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the OpenAPI descriptions of the problems with which a route may respond."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: schema},
        }
        for status in statuses
    }


def problem(
    status: int, detail: str, request_id: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """Returns a problem as a response."""
    body = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, request_id=request_id
    )
    all_headers = dict(headers or {})
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        all_headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    return Response(orjson.dumps(body.model_dump()), status, all_headers, MEDIA_TYPE)


def response_to(error: TastemakerError, request_id: str | None) -> Response:
    """Returns the response for an expected error."""
    if isinstance(error, NotAllowedError):
        challenge = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
        return problem(error.status, str(error), request_id, challenge)
    statuses = (STATUS[error_type] for error_type in type(error).__mro__ if error_type in STATUS)
    status = next(statuses, HTTPStatus.UNPROCESSABLE_ENTITY)
    return problem(status, str(error), request_id)


def install(app: FastAPI) -> None:
    """Makes the app respond to expected errors with problems."""

    async def expected_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, TastemakerError)
        return response_to(error, _request_id_of(request))

    async def invalid_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, _first_error(error), _request_id_of(request)
        )

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = error.detail
        if error.status_code == HTTPStatus.BAD_REQUEST:
            # FastAPI's status for a body that is not text or nested too deeply; for other invalid
            # JSON it is 422.
            detail = "body: the JSON cannot be parsed; send valid JSON in UTF-8"
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, _request_id_of(request))
        if error.status_code == HTTPStatus.NOT_FOUND and detail == "Not Found":
            root = request.scope.get("root_path", "")
            detail = f"{request.scope['path']}: there is no such path; see {root}/docs"
        return problem(
            error.status_code,
            detail,
            _request_id_of(request),
            dict(error.headers) if error.headers else {},
        )

    app.add_exception_handler(TastemakerError, expected_error)
    app.add_exception_handler(RequestValidationError, invalid_request)
    app.add_exception_handler(HTTPException, http_error)


class UnhandledErrors:
    """Turns unexpected exceptions into problems, inside the middleware for headers and logs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection; see the ASGI specification."""
        started = False

        async def send_and_record(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_record)
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            request_id = scope.get("request_id")
            log.error("unhandled error", request_id=request_id, exc_info=error)
            detail = "an unexpected error occurred; the log contains it under the request's id"
            response = problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, request_id)
            await response(scope, receive, send)


def _request_id_of(request: Request) -> str | None:
    return request.scope.get("request_id")


def _first_error(error: RequestValidationError) -> str:
    """Describes the first error and its location."""
    first = error.errors()[0]
    location = ".".join(str(part) for part in first["loc"]) or "request"
    n_others = len(error.errors()) - 1
    others = f" (and {n_others} more)" if n_others else ""
    location = location if len(location) <= 200 else f"{location[:199]}…"  # chosen by the client
    return f"{location}: {describe_error(first)}{others}"


def describe_error(error: Mapping[str, Any]) -> str:
    """Describes one error of Pydantic, with the beginning of the invalid value."""
    reason = str(error["msg"]).removeprefix("Value error, ")
    shown_value = "" if error["type"] in ("missing", "json_invalid") else _shown(error.get("input"))
    return f"{shown_value}{reason[0].lower()}{reason[1:]}"


def _shown(value: Any) -> str:
    """Returns the value, shortened if it is long; nothing for None, objects and arrays."""
    if isinstance(value, dict | list) or value is None:
        return ""
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '…'}: "
