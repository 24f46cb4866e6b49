"""The body limit: what is too large is refused before it is in memory."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tastemaker.serving.problems import problem


class BodyLimit:
    """Refuses a body that is larger than it may be, before it is in memory."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app, self._most = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > self._most or _announced(scope) > self._most:
                detail = f"the body is larger than {self._most:,} bytes; send less at once"
                await problem(413, detail, scope.get("request_id"))(scope, receive, send)
                return
            if not message.get("more_body", False):
                break
        whole: Message | None = {"type": "http.request", "body": body, "more_body": False}

        async def receiving() -> Message:
            nonlocal whole
            message, whole = whole, None
            return message if message is not None else await receive()

        await self._app(scope, receiving, send)


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
