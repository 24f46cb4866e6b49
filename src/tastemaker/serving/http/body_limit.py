"""The body limit: a request body that is too large is refused before all of it is in memory."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tastemaker.serving.http.problems import problem


class BodyLimit:
    """Refuses a body larger than `max_bytes` before all of it is in memory."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection; see the ASGI specification."""
        if scope["type"] != "http" or not has_body(scope):
            await self._app(scope, receive, send)
            return
        parts, n_bytes, more_body = [], _content_length(scope), True
        if n_bytes <= self._max_bytes:
            n_bytes = 0
        while more_body and n_bytes <= self._max_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            n_bytes += len(parts[-1])
            more_body = message.get("more_body", False)
        if n_bytes > self._max_bytes:
            detail = f"the body is larger than {self._max_bytes:,} bytes; send less in one request"
            await problem(413, detail, scope.get("request_id"))(scope, receive, send)
            return
        body = b"".join(parts)
        complete_body: Message | None = {"type": "http.request", "body": body, "more_body": False}

        async def receive_complete() -> Message:
            nonlocal complete_body
            message, complete_body = complete_body, None
            return message if message is not None else await receive()

        await self._app(scope, receive_complete, send)


def has_body(scope: Scope) -> bool:
    """Whether a request may have a body, which it may with any method but GET and HEAD."""
    return scope["method"] not in ("GET", "HEAD")


def _content_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
