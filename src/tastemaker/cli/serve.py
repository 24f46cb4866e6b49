"""tastemaker serve: serves a run over HTTP."""

import threading
import time
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tastemaker.cli.common import note, out, until_ctrl_c
from tastemaker.cli.flags import in_flags
from tastemaker.cli.groups import grouped

RUNNING, SAFETY, LEARNING = "Running", "Safety", "Learning"

MAX_START_S = 120
"""Maximum time in which the service must respond for its page to be opened, in seconds."""


def _running_option(*names: str, help: str, **more: Any) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, rich_help_panel=RUNNING, show_default=False, **more)


def _safety_option(*names: str, help: str, **more: Any) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, rich_help_panel=SAFETY, show_default=False, **more)


def _learning_option(*names: str, help: str, **more: Any) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, rich_help_panel=LEARNING, show_default=False, **more)


@dataclass(frozen=True)
class ServiceOptions:
    """The options for settings of the service.

    If an option is None, the setting is taken from the environment, or else has its default.
    """

    host: Annotated[
        str | None,
        _running_option(
            "--host",
            help="Address to listen on; any address other than a loopback one requires API keys. "
            "(default: 127.0.0.1)",
        ),
    ] = None
    port: Annotated[
        int | None,
        _running_option("--port", help="Port to listen on; 0 takes a free one. (default: 8000)"),
    ] = None
    database: Annotated[
        str | None,
        _running_option(
            "--database",
            help="URL of the database for events, as in sqlite:///events.db or "
            "postgresql://user@host/name. (default: RUN.events.db beside the run)",
        ),
    ] = None
    service: Annotated[
        str | None,
        _running_option(
            "--service",
            help="Name of the service, if several runs share a database. (default: default)",
        ),
    ] = None
    workers: Annotated[
        int | None,
        _running_option("--workers", help="Number of processes that serve requests. (default: 1)"),
    ] = None
    threads: Annotated[
        int | None, _running_option("--threads", help="Number of threads per process. (default: 4)")
    ] = None
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"] | None,
        _running_option("--device", help="Device on which to compute. (default: cpu)"),
    ] = None
    approximate: Annotated[
        bool | None,
        _running_option(
            "--approximate",
            help="Use the approximate index that the command tastemaker index has built.",
        ),
    ] = None
    logs: Annotated[
        Literal["pretty", "json"] | None,
        _running_option("--logs", help="Format of log lines. (default: pretty)"),
    ] = None
    require_key: Annotated[
        bool | None,
        _safety_option("--require-key", help="Require a key on a loopback address too."),
    ] = None
    page_key: Annotated[
        str | None,
        _safety_option(
            "--page-key",
            help="API key that the pages use, if keys are required; it needs the "
            "scopes read and write.",
        ),
    ] = None
    like_type: Annotated[
        str | None,
        _running_option(
            "--like-type",
            help="Type of the events that the pages record when a visitor likes an item; one of "
            "the run's kinds of events, if it has kinds. (default: like)",
        ),
    ] = None
    cors: Annotated[
        list[str] | None,
        _safety_option(
            "--cors",
            help="Origin whose pages may call the API, such as https://shop.example; "
            "may be given several times.",
        ),
    ] = None
    trusted_hosts: Annotated[
        list[str] | None,
        _safety_option(
            "--trusted-host",
            help="Host name, besides localhost, that a service without keys "
            "accepts in requests; may be given several times.",
        ),
    ] = None
    trusted_proxies: Annotated[
        list[str] | None,
        _safety_option(
            "--trusted-proxy",
            help="Address or network of a proxy whose X-Forwarded-For, "
            "X-Forwarded-Proto and X-Forwarded-Prefix are trusted; may be given several "
            "times.",
        ),
    ] = None
    root_path: Annotated[
        str | None,
        _running_option("--root-path", help="Prefix of all paths behind a proxy, such as /shop."),
    ] = None
    rate: Annotated[
        float | None,
        _safety_option(
            "--rate", help="Requests per second for each key and worker. (default: no limit)"
        ),
    ] = None
    learn: Annotated[
        bool | None,
        _learning_option(
            "--learn",
            help="Train on new events in the background, and deploy the result if it is better.",
        ),
    ] = None
    learn_every_s: Annotated[
        float | None,
        _learning_option(
            "--learn-every-s", help="Seconds between checks for new events. (default: 3600)"
        ),
    ] = None
    learn_from: Annotated[
        int | None,
        _learning_option(
            "--learn-from", help="Minimum number of new events for a training. (default: 1000)"
        ),
    ] = None


@grouped
def serve(
    run: Annotated[
        Path, typer.Argument(help="Run folder, as created by train.", show_default=False)
    ],
    *,
    options: ServiceOptions,
    open_page: Annotated[
        bool,
        _running_option("--open", help="Open the page in a browser once the service responds."),
    ] = False,
) -> None:  # fmt: skip
    """Serve a run over HTTP; recommendations take every event into account.

    Examples: tastemaker serve runs/demo, then curl localhost:8000/v1/users/42/recommendations;
    tastemaker serve runs/demo --workers 4 --database postgresql://app@db/events

    All settings can also be environment variables, such as TASTEMAKER_PORT: see docs/service.md.
    """
    from tastemaker.serving.run import run as run_service
    from tastemaker.serving.settings import ServiceSettings
    from tastemaker.serving.start import check

    settings = ServiceSettings.gathered(vars(options) | {"run": run})
    for message in settings.unknown_variables():
        note(message)
    start = check(settings)
    for message in start.notes:
        note(in_flags(message))

    def announce(url: str) -> None:
        out.print(f"serving {start.run} at {url}", markup=False, soft_wrap=True)
        note(f"events go to {settings.shown_database}; documentation: {url}/docs; stop with Ctrl-C")
        if open_page:
            threading.Thread(target=_open_when_ready, args=(url,), daemon=True).start()

    with until_ctrl_c():
        run_service(settings, announce)


def _open_when_ready(url: str) -> None:
    """Opens the page in a browser as soon as the service responds."""
    import httpx2

    deadline = time.monotonic() + MAX_START_S
    while time.monotonic() < deadline:
        try:
            httpx2.get(f"{url}/healthz", timeout=1, trust_env=False).raise_for_status()
        except httpx2.HTTPError:
            time.sleep(0.2)
            continue
        webbrowser.open(url)
        return
