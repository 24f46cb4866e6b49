"""Connections: limits on what a sender can cost before the application sees a request.

uvicorn reads headers of any size, waits for the rest of a request for ever, and takes as many
connections as the system has files. `Connection` is its protocol with limits on all of these.
"""

import math
from collections import Counter
from typing import Any

import orjson
import structlog
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from tastemaker.serving.http.open_files import connections_that_fit
from tastemaker.serving.http.telemetry import Telemetry
from tastemaker.serving.settings import ServiceSettings
from tastemaker.wire import Problem

SLICE_BYTES = 16_384
"""Bytes that are parsed at once: after each slice, what is unfinished is measured."""

MOST_PIPELINED = 128
"""Requests that a connection may send ahead of their responses."""

LINGER_S, LINGER_BYTES = 1.0, 1 << 20
"""How long, and how much of, what a refused sender goes on sending is read and thrown away. Closed
at once, the connection would be reset, and the sender would not see the reason."""

LOOK_EVERY_S = 0.25
"""Seconds between two looks for connections whose time is up."""

log = structlog.get_logger("tastemaker.service")


class Connections:
    """All open connections of a worker, and what they hold together.

    Args:
        settings: of the service, with its limits.
        telemetry: counts the connections that were refused.
    """

    def __init__(self, settings: ServiceSettings, telemetry: Telemetry) -> None:
        self.settings = settings
        self.held_bytes = 0
        """Bytes of all requests that have begun and not ended."""
        self._most = connections_that_fit(settings.max_connections)
        self._telemetry = telemetry
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}
        self._refused: Counter[str] = Counter()
        self._look_at: float | None = None
        """When the next look is due; None while no connection is open."""

    def enter(self, connection: "Connection") -> None:
        """Takes a new connection; closes the one that waits longest where there are too many."""
        if len(self._open) >= self._most:
            longest = next(iter(self._waiting), None)
            self.count("crowded")
            if longest is None:
                connection.refuse(503, "too many connections; try again in a second", linger=False)
                return
            self.leave(longest)
            longest.transport.abort()
        self._open.add(connection)
        self.wait_for(connection)
        if self._look_at is None:
            self._look_again(connection.loop)

    def leave(self, connection: "Connection") -> None:
        """Forgets a connection."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def wait_for(self, connection: "Connection") -> None:
        """Notes that from now on the sender has to send something."""
        self._waiting.pop(connection, None)
        if connection in self._open:
            self._waiting[connection] = None

    def wait_no_longer_for(self, connection: "Connection") -> None:
        """Notes that the sender has done its part."""
        self._waiting.pop(connection, None)

    def make_room(self) -> None:
        """Refuses the requests that are unfinished for longest, until the others may be held."""
        for connection in list(self._waiting):
            if self.held_bytes <= self.settings.max_held_bytes:
                return
            if connection.held_bytes:
                self.count("held")
                connection.refuse(503, "too much is being sent at once; try again in a second")

    def count(self, reason: str) -> None:
        """Counts a refusal, for the metrics and the log."""
        self._telemetry.refused.labels(reason).inc()
        self._refused[reason] += 1

    def _look(self, loop: Any) -> None:
        now = loop.time()
        # Time in which a busy worker read nothing is no fault of the senders.
        late_s = now - (self._look_at or now)
        for connection in list(self._open):
            connection.deadline += late_s
            if connection.deadline <= now:
                connection.expire()
        if self._refused:
            # One line for all of them, since an attack should not fill the disk.
            log.warning("connections refused", **self._refused)
            self._refused.clear()
        self._telemetry.connections.set(len(self._open))
        self._look_at = None
        if self._open:
            self._look_again(loop)

    def _look_again(self, loop: Any) -> None:
        self._look_at = loop.time() + LOOK_EVERY_S
        loop.call_at(self._look_at, self._look, loop)


class Connection(HttpToolsProtocol):
    """One connection of HTTP/1.1; its application's lifespan state has the `Connections`."""

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all: Connections = app_state["connections"]
        self._limits = self._all.settings
        self.deadline = math.inf
        """When the sender, or the reader of a response, is given up, in the loop's time."""
        self.held_bytes = 0
        """Bytes of the request that has begun and not ended."""
        self._n_slice = 0
        """Bytes of the slice that is being parsed."""
        self._in_head = self._in_request = False
        self._why = 400, "this is not HTTP/1.1"
        self._discarded: int | None = None
        """Bytes thrown away since the connection was refused; None before."""
        self._running: RequestResponseCycle | None = None
        """The request that the application was given last."""

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.deadline = self.loop.time() + self._limits.headers_timeout_s
        self._all.enter(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._let_go()
        self._release()
        self._all.leave(self)

    @override
    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), SLICE_BYTES):
            piece = data if len(data) <= SLICE_BYTES else data[start : start + SLICE_BYTES]
            if self._discarded is not None:
                self._discarded += len(piece)
                if self._discarded > LINGER_BYTES:
                    self.transport.abort()
                    return
                continue
            self._n_slice = len(piece)
            super().data_received(piece)
            if self.transport.is_closing():
                return
            if self._in_request:
                self._hold(len(piece))

    # What httptools finds in the data

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._release()
        self._in_head = self._in_request = True
        self.deadline = self.loop.time() + self._limits.headers_timeout_s
        if self.cycle is None or self.cycle.response_complete:
            self._all.wait_for(self)

    def on_headers_complete(self) -> None:
        """All headers are there."""
        n_bytes = self.held_bytes + self._n_slice
        if n_bytes > self._limits.max_header_bytes:
            # The slice holds more than these headers; they are counted only where it matters.
            n_bytes = len(self.url) + sum(len(n) + len(value) + 4 for n, value in self.headers)
        if self._is_too_much(n_bytes):
            raise ValueError("too much")  # ends the parser, which calls `send_400_response`
        if len(self.pipeline) >= MOST_PIPELINED:
            self._why = 429, "too many requests were sent ahead of their responses"
            raise ValueError("too many")
        self._in_head = False
        self.deadline = self.loop.time() + self._limits.body_timeout_s
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The whole request is there."""
        super().on_message_complete()
        self._in_request = False
        self._release()
        self.deadline = math.inf
        self._all.wait_no_longer_for(self)
        if self.cycle.response_complete:
            # The application has refused the request unread, and uvicorn's timer is off by now.
            self.deadline = self.loop.time() + self._limits.idle_timeout_s
            self._all.wait_for(self)

    def on_response_complete(self) -> None:
        """The whole response was handed over."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:
            self._all.wait_for(self)

    # What limits end

    def pause_writing(self) -> None:
        """The reader is slower than its response."""
        super().pause_writing()
        self.deadline = self.loop.time() + self._limits.body_timeout_s

    def resume_writing(self) -> None:
        """The reader has caught up."""
        super().resume_writing()
        body_until = self.loop.time() + self._limits.body_timeout_s
        self.deadline = body_until if self._in_request else math.inf

    def expire(self) -> None:
        """Ends the connection, since its time is up."""
        if self._discarded is not None or self.flow.write_paused:
            self.transport.abort()
        elif not self._in_request:
            self.transport.close()  # it never asked for anything
        elif self._in_head:
            self._all.count("headers late")
            self.refuse(
                408, f"the headers took longer than {self._limits.headers_timeout_s:g} seconds"
            )
        else:
            self._all.count("body late")
            self.refuse(408, f"the body took longer than {self._limits.body_timeout_s:g} seconds")

    def send_400_response(self, msg: str) -> None:
        """Answers a request that cannot be parsed; called by uvicorn."""
        status, detail = self._why
        self._all.count({400: "malformed", 429: "pipelined", 431: "headers large"}[status])
        self.refuse(status, detail)

    def refuse(self, status: int, detail: str, *, linger: bool = True) -> None:
        """Answers a problem in place of the application, and ends the connection.

        Args:
            status: of HTTP.
            detail: what was wrong.
            linger: whether to read on for a moment, so that the answer arrives.
        """
        self._release()
        self._in_head = self._in_request = False
        self.headers = []
        self._discarded = 0
        running = self._running
        if running and running.response_started and not running.response_complete:
            self.transport.abort()  # nothing can be said in the middle of a response
            return
        self._let_go()
        self.flow.resume_reading()
        self.transport.write(_problem(status, detail, self.server_state.default_headers))
        if linger and self.transport.can_write_eof():
            self.deadline = self.loop.time() + LINGER_S
            self.transport.write_eof()
        else:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _let_go(self) -> None:
        """Tells the application that nobody waits for its answer.

        uvicorn tells it of the last request alone, which with requests sent ahead is another one.
        """
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def _hold(self, n_bytes: int) -> None:
        """Accounts for a slice of a request that has not ended."""
        self.held_bytes += n_bytes
        self._all.held_bytes += n_bytes
        if self._in_head and self._is_too_much(self.held_bytes):
            self.send_400_response("")
        elif self._all.held_bytes > self._limits.max_held_bytes:
            self._all.make_room()

    def _release(self) -> None:
        if self.held_bytes:
            self._all.held_bytes -= self.held_bytes
            self.held_bytes = 0

    def _is_too_much(self, n_bytes: int) -> bool:
        most_bytes, most = self._limits.max_header_bytes, self._limits.max_headers
        if n_bytes <= most_bytes and len(self.headers) <= most:
            return False
        self._why = 431, f"a request may have {most:,} headers, of {most_bytes:,} bytes in all"
        return True


def _problem(status: int, detail: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """A problem as a whole response."""
    phrase = STATUS_LINE[status].decode().split(" ", 2)[2].strip()
    body = orjson.dumps(Problem(title=phrase, status=status, detail=detail).model_dump())
    lines = [b"%s: %s\r\n" % header for header in headers]
    if status in (429, 503):
        lines.append(b"retry-after: 1\r\n")
    return b"".join([
        STATUS_LINE[status], *lines, b"content-type: application/problem+json\r\n",
        b"content-length: %d\r\n" % len(body), b"connection: close\r\n\r\n", body,
    ])  # fmt: skip
