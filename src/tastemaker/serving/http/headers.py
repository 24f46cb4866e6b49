"""Headers that tell a browser what it may not do with an answer."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

STRICT = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""For answers of the API: there is nothing in them to run or show."""

ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class SecurityHeaders:
    """Adds them to every answer; an answer that brings its own content policy keeps it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection; see the ASGI specification."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                headers.extend(ALWAYS)
                if not any(name == b"content-security-policy" for name, _ in headers):
                    headers.append((b"content-security-policy", STRICT))
                    headers.append((b"cache-control", b"no-store"))
            await send(message)

        await self._app(scope, receive, sending)
