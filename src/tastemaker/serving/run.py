"""Runs the service in one or more processes on one port, with a graceful shutdown."""

import os
import socket
import tempfile
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from tastemaker.errors import ConfigError
from tastemaker.serving.http.open_files import BACKLOG, raise_file_limit
from tastemaker.serving.http.telemetry import METRICS_FOLDER
from tastemaker.serving.settings import ServiceSettings

APPLICATION = "tastemaker.asgi:application"

PROTOCOL: Any = "tastemaker.serving.http.connections:Connection"
"""Given by name, so that a worker imports little before it responds to its supervisor."""


def run(settings: ServiceSettings, announce: Callable[[str], None]) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Args:
        settings: settings of the service.
        announce: called with the URL once the port is bound.

    Raises:
        ConfigError: the address cannot be listened on, or workers have no temporary folder.
    """
    config = uvicorn.Config(
        APPLICATION, factory=True, host=settings.host, port=settings.port,
        workers=settings.workers, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_grace_s)), backlog=BACKLOG,
        limit_concurrency=None, lifespan="on", http=PROTOCOL, ws="none", log_level="error",
        proxy_headers=False,  # the application applies them: see BehindProxy
        timeout_keep_alive=settings.idle_timeout_s,  # type: ignore[arg-type]  # fractions are fine
    )  # fmt: skip
    settings.export()
    raise_file_limit(settings.max_connections)
    with _listening(settings) as listening:
        port = listening.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        announce(f"http://{host}:{port}")
        if settings.workers == 1:
            uvicorn.Server(config).run(sockets=[listening])
            return
        with _temporary_folder() as folder:
            os.environ[METRICS_FOLDER] = folder
            Multiprocess(config, sockets=[listening]).run()


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Creates the folder in which workers share their metrics."""
    try:
        return tempfile.TemporaryDirectory(prefix="tastemaker-metrics-")
    except OSError as error:
        raise ConfigError(
            "workers share their metrics in a temporary folder, which cannot be created "
            f"({error}); set TMPDIR to a folder that can be written to, or start a single worker"
        ) from None


def _listening(settings: ServiceSettings) -> socket.socket:
    try:
        return socket.create_server(
            (settings.host, settings.port),
            family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
            backlog=BACKLOG,
        )
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}; "
            "choose another port with port=… (0 takes a free one)"
        ) from None
