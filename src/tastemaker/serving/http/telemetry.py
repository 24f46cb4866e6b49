"""Telemetry: metrics, logs and request ids."""

import logging
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import orjson
import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tastemaker.serving.http.paths import below_root

BUCKETS_S = (
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
)  # fmt: skip

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable of prometheus_client for the folder in which workers share metrics."""

UNLOGGED = ("/healthz", "/readyz", "/metrics")
"""Routes that monitoring requests every few seconds; they are not logged."""

CLIENT_DISCONNECTED = 499
"""Status recorded for a request whose client closed the connection before the response."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

log = structlog.get_logger("tastemaker.service")


class Telemetry:
    """The metrics of a service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.latency = Histogram(
            "tastemaker_request_seconds", "Response time", ["method", "route", "status"],
            buckets=BUCKETS_S, registry=registry,
        )  # fmt: skip
        self.events = Counter(
            "tastemaker_events", "Events received", ["outcome"], registry=registry
        )
        self.lists = Counter("tastemaker_lists", "Lists returned", ["source"], registry=registry)
        self.problems = Counter(
            "tastemaker_problems", "Error responses", ["status"], registry=registry
        )
        self.inside = Gauge(
            "tastemaker_requests_inside", "Requests that run or wait", registry=registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.degraded = Gauge(
            "tastemaker_degraded", "Whether the database is unavailable", registry=registry,
            multiprocess_mode="livemax",
        )  # fmt: skip
        self.model_missing = Gauge(
            "tastemaker_model_missing", "Whether the deployed model cannot be opened",
            registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self.connections = Gauge(
            "tastemaker_connections", "Open connections", registry=registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.refused = Counter(
            "tastemaker_connections_refused", "Refused before they reached the application",
            ["reason"], registry=registry,
        )  # fmt: skip
        self.swaps = Counter("tastemaker_swaps", "Model changes", ["reason"], registry=registry)

    def exposition(self) -> tuple[bytes, str]:
        """Returns the metrics of all workers, as text, and their media type."""
        registry = self.registry
        if METRICS_FOLDER in os.environ:
            _remove_dead_workers(Path(os.environ[METRICS_FOLDER]))
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        return generate_latest(registry), CONTENT_TYPE_LATEST


def _remove_dead_workers(folder: Path) -> None:
    """Removes the metrics of workers that were killed and so could not remove them themselves."""
    for file in folder.glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not _is_running(pid):
            mark_process_dead(pid, str(folder))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class RequestTelemetry:
    """Gives every request an id, measures its duration, and logs it."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app, self._telemetry = app, telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection; see the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at = time.perf_counter()
        scope["request_id"] = request_id = _request_id_in(scope) or secrets.token_hex(8)
        status = CLIENT_DISCONNECTED

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            status = 500
            raise
        finally:
            self._record(scope, status, time.perf_counter() - started_at)

    def _record(self, scope: Scope, status: int, elapsed_s: float) -> None:
        route = _route_of(scope)
        # Unknown methods share a label, so that clients cannot create ever more metrics.
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._telemetry.latency.labels(method, route, status).observe(elapsed_s)
        if status >= 400:
            self._telemetry.problems.labels(status).inc()
        if route not in UNLOGGED:
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=int(status),  # an HTTPStatus would be shown with its name
                ms=round(elapsed_s * 1000, 2),
                request_id=scope["request_id"],
            )


def configure_logs(style: str) -> None:
    """Sets up log lines on standard error, as JSON for machines or as text for people.

    In both styles a traceback is Python's plain one, without the values of variables, which may
    hold keys and request bodies. Exceptions that end a thread and warnings of libraries are logged
    in the same way.
    """
    processors: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        escape_controls,
    ]
    if style == "json":
        renderer: Any = structlog.processors.JSONRenderer(_to_json)
    else:
        plain_traceback = structlog.dev.plain_traceback
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=plain_traceback)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    library_handler = logging.StreamHandler(sys.stderr)
    library_handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *processors],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.getLogger().handlers = [library_handler]
    threading.excepthook = _log_thread_error


def _log_thread_error(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread else ""
    log.error("thread ended with an error", thread=name, exc_info=args.exc_value)


def escape_controls(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escapes control characters, which a terminal would execute; a processor of structlog."""
    for name, value in line.items():
        if isinstance(value, str) and not value.isprintable():
            allowed = "\n" if name == "exception" else ""  # the lines of a traceback
            line[name] = "".join(
                character
                if character.isprintable() or character in allowed
                else ascii(character)[1:-1]
                for character in value
            )
    return line


def _to_json(line: dict[str, Any], **_: Any) -> str:
    return orjson.dumps(line, default=str).decode()


def _route_of(scope: Scope) -> str:
    """Returns the path as declared, so that clients cannot create a metric for any path."""
    route: str = getattr(scope.get("route"), "path", "unknown")
    # FastAPI omits the prefix of an included router.
    is_api_route = below_root(scope).startswith("/v1/") and route.startswith("/")
    return route if not is_api_route or route.startswith("/v1/") else f"/v1{route}"


def _request_id_in(scope: Scope) -> str | None:
    """Returns the request id that the client or a proxy sent, if it is valid."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            return text if _REQUEST_ID.fullmatch(text) else None
    return None
