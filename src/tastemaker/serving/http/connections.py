"""Connections: limits on the resources that a client can use before the application is called.

uvicorn reads headers of any size, waits indefinitely for the rest of a request, and accepts as many
connections as the system has file descriptors. `Connection` is uvicorn's protocol with limits on
all of these.
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
"""Bytes that are parsed at once; after each slice the size of the unfinished request is checked."""

MAX_PIPELINED = 128
"""Maximum number of requests that a client may send ahead of their responses (pipelining)."""

LINGER_S, LINGER_BYTES = 1.0, 1 << 20
"""Seconds and bytes for which the data of a refused client is still read and discarded. A
connection that is closed at once would be reset, and the client would not see the reason."""

CHECK_EVERY_S = 0.25
"""Seconds between two checks for connections that are past their deadline."""

log = structlog.get_logger("tastemaker.service")


class Connections:
    """All open connections of a worker, and the total size of their unfinished requests.

    Args:
        settings: settings of the service, which include the limits.
        telemetry: counts the connections that were refused.
    """

    def __init__(self, settings: ServiceSettings, telemetry: Telemetry) -> None:
        self.settings = settings
        self.held_bytes = 0
        """Bytes of all unfinished requests."""
        self._max_connections = connections_that_fit(settings.max_connections)
        self._telemetry = telemetry
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}
        self._refused: Counter[str] = Counter()
        self._next_check_at: float | None = None
        """Time of the next check, by the loop's clock; None while no connection is open."""

    def add(self, connection: "Connection") -> None:
        """Adds a connection; if there are too many, closes the one waiting longest for its client.

        If no connection waits for its client, the new one is refused.
        """
        if len(self._open) >= self._max_connections:
            longest_waiting = next(iter(self._waiting), None)
            self.count_refusal("crowded")
            if longest_waiting is None:
                connection.refuse(503, "too many connections; try again in a second", linger=False)
                return
            self.remove(longest_waiting)
            longest_waiting.transport.abort()
        self._open.add(connection)
        self.wait_for(connection)
        if self._next_check_at is None:
            self._schedule_check(connection.loop)

    def remove(self, connection: "Connection") -> None:
        """Removes a connection."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def wait_for(self, connection: "Connection") -> None:
        """Records that a connection waits for its client to send data."""
        self._waiting.pop(connection, None)
        if connection in self._open:
            self._waiting[connection] = None

    def stop_waiting_for(self, connection: "Connection") -> None:
        """Records that a connection no longer waits for its client."""
        self._waiting.pop(connection, None)

    def refuse_longest(self) -> None:
        """Refuses the longest unfinished requests until the others fit into `max_held_bytes`."""
        for connection in list(self._waiting):
            if self.held_bytes <= self.settings.max_held_bytes:
                return
            if connection.held_bytes:
                self.count_refusal("held")
                connection.refuse(503, "too much data is being sent; try again in a second")

    def count_refusal(self, reason: str) -> None:
        """Counts a refusal, for the metrics and the log."""
        self._telemetry.refused.labels(reason).inc()
        self._refused[reason] += 1

    def _check_deadlines(self, loop: Any) -> None:
        now = loop.time()
        # Deadlines are extended by the delay of this check, in which a busy worker read no data.
        delay_s = now - (self._next_check_at or now)
        for connection in list(self._open):
            connection.deadline += delay_s
            if connection.deadline <= now:
                connection.expire()
        if self._refused:
            # One line for all refusals, so that an attack does not fill the disk.
            log.warning("connections refused", **self._refused)
            self._refused.clear()
        self._telemetry.connections.set(len(self._open))
        self._next_check_at = None
        if self._open:
            self._schedule_check(loop)

    def _schedule_check(self, loop: Any) -> None:
        self._next_check_at = loop.time() + CHECK_EVERY_S
        loop.call_at(self._next_check_at, self._check_deadlines, loop)


class Connection(HttpToolsProtocol):
    """One HTTP/1.1 connection; the `Connections` are in the application's lifespan state."""

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._connections: Connections = app_state["connections"]
        self._limits = self._connections.settings
        self.deadline = math.inf
        """Time, by the loop's clock, at which waiting for the client to send or to read ends."""
        self.held_bytes = 0
        """Bytes of the unfinished request."""
        self._n_slice = 0
        """Length in bytes of the slice that is being parsed."""
        self._in_headers = self._in_request = False
        self._refusal = 400, "the request is not valid HTTP/1.1"
        self._discarded: int | None = None
        """Bytes discarded since the connection was refused; None before."""
        self._running: RequestResponseCycle | None = None
        """The request that was passed to the application last."""

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.deadline = self.loop.time() + self._limits.headers_timeout_s
        self._connections.add(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._notify_disconnect()
        self._release_bytes()
        self._connections.remove(self)

    @override
    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), SLICE_BYTES):
            part = data if len(data) <= SLICE_BYTES else data[start : start + SLICE_BYTES]
            if self._discarded is not None:
                self._discarded += len(part)
                if self._discarded > LINGER_BYTES:
                    self.transport.abort()
                    return
                continue
            self._n_slice = len(part)
            super().data_received(part)
            if self.transport.is_closing():
                return
            if self._in_request:
                self._count_bytes(len(part))

    # Callbacks of the HTTP parser

    def on_message_begin(self) -> None:
        """Called at the start of a request: the timeout of the headers begins."""
        super().on_message_begin()
        self._release_bytes()
        self._in_headers = self._in_request = True
        self.deadline = self.loop.time() + self._limits.headers_timeout_s
        if self.cycle is None or self.cycle.response_complete:
            self._connections.wait_for(self)

    def on_headers_complete(self) -> None:
        """Called after the headers: checks their size and the number of pipelined requests."""
        n_bytes = self.held_bytes + self._n_slice
        if n_bytes > self._limits.max_header_bytes:
            # The slice may hold more than these headers, whose exact size is computed if needed.
            n_bytes = len(self.url) + sum(
                len(name) + len(value) + 4 for name, value in self.headers
            )
        if self._exceeds_limits(n_bytes):
            raise ValueError("too much")  # ends parsing; uvicorn calls `send_400_response`
        if len(self.pipeline) >= MAX_PIPELINED:
            self._refusal = 429, "too many requests were sent without waiting for responses"
            raise ValueError("too many")
        self._in_headers = False
        self.deadline = self.loop.time() + self._limits.body_timeout_s
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Called at the end of a request: its timeout ends and its bytes are released."""
        super().on_message_complete()
        self._in_request = False
        self._release_bytes()
        self.deadline = math.inf
        self._connections.stop_waiting_for(self)
        if self.cycle.response_complete:
            # The application responded without reading the whole request, and the data that
            # arrived since has cancelled uvicorn's keep-alive timer.
            self.deadline = self.loop.time() + self._limits.idle_timeout_s
            self._connections.wait_for(self)

    def on_response_complete(self) -> None:
        """Called after a response: an idle connection waits for its client again."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:
            self._connections.wait_for(self)

    # Flow control, timeouts and refusals

    def pause_writing(self) -> None:
        """Sets a deadline, since the client reads the response too slowly."""
        super().pause_writing()
        self.deadline = self.loop.time() + self._limits.body_timeout_s

    def resume_writing(self) -> None:
        """Restores the deadline, since the client has caught up."""
        super().resume_writing()
        body_until = self.loop.time() + self._limits.body_timeout_s
        self.deadline = body_until if self._in_request else math.inf

    def expire(self) -> None:
        """Ends the connection, which is past its deadline."""
        if self._discarded is not None or self.flow.write_paused:
            self.transport.abort()
        elif not self._in_request:
            self.transport.close()  # the client has sent no request
        elif self._in_headers:
            self._connections.count_refusal("headers late")
            self.refuse(
                408, f"the headers took longer than {self._limits.headers_timeout_s:g} seconds"
            )
        else:
            self._connections.count_refusal("body late")
            self.refuse(408, f"the body took longer than {self._limits.body_timeout_s:g} seconds")

    def send_400_response(self, msg: str) -> None:
        """Refuses a request that cannot be parsed or exceeds a limit; also called by uvicorn."""
        status, detail = self._refusal
        self._connections.count_refusal(
            {400: "malformed", 429: "pipelined", 431: "headers large"}[status]
        )
        self.refuse(status, detail)

    def refuse(self, status: int, detail: str, *, linger: bool = True) -> None:
        """Sends a problem in place of the application's response, and ends the connection.

        Args:
            status: HTTP status code.
            detail: what was wrong.
            linger: whether to keep reading for a moment, so that the response arrives.
        """
        self._release_bytes()
        self._in_headers = self._in_request = False
        self.headers = []
        self._discarded = 0
        running = self._running
        if running and running.response_started and not running.response_complete:
            self.transport.abort()  # another response has begun already
            return
        self._notify_disconnect()
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

    def _notify_disconnect(self) -> None:
        """Notifies the application that the client no longer waits for the response.

        uvicorn does this only for the request parsed last, which with pipelining is not this one.
        """
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def _count_bytes(self, n_bytes: int) -> None:
        """Counts the bytes of a slice of an unfinished request, and applies the limits."""
        self.held_bytes += n_bytes
        self._connections.held_bytes += n_bytes
        if self._in_headers and self._exceeds_limits(self.held_bytes):
            self.send_400_response("")
        elif self._connections.held_bytes > self._limits.max_held_bytes:
            self._connections.refuse_longest()

    def _release_bytes(self) -> None:
        if self.held_bytes:
            self._connections.held_bytes -= self.held_bytes
            self.held_bytes = 0

    def _exceeds_limits(self, n_bytes: int) -> bool:
        max_bytes, max_headers = self._limits.max_header_bytes, self._limits.max_headers
        if n_bytes <= max_bytes and len(self.headers) <= max_headers:
            return False
        self._refusal = (
            431,
            f"at most {max_headers:,} headers and {max_bytes:,} bytes of headers are allowed",
        )
        return True


def _problem(status: int, detail: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Returns a problem as the bytes of a complete response."""
    phrase = STATUS_LINE[status].decode().split(" ", 2)[2].strip()
    body = orjson.dumps(Problem(title=phrase, status=status, detail=detail).model_dump())
    lines = [b"%s: %s\r\n" % header for header in headers]
    if status in (429, 503):
        lines.append(b"retry-after: 1\r\n")
    return b"".join([
        STATUS_LINE[status], *lines, b"content-type: application/problem+json\r\n",
        b"content-length: %d\r\n" % len(body), b"connection: close\r\n\r\n", body,
    ])  # fmt: skip
