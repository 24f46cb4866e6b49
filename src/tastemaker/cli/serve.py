"""tastemaker serve: serves a run over HTTP."""

import threading
import time
import webbrowser
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tastemaker.cli.common import note, out, until_ctrl_c

RUNNING, SAFETY, LEARNING = "Running", "Safety", "Learning"

LONGEST_START_S = 120


def _running(*names: str, help: str, **more: Any) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, rich_help_panel=RUNNING, show_default=False, **more)


def _safety(*names: str, help: str, **more: Any) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, rich_help_panel=SAFETY, show_default=False, **more)


def _learning(*names: str, help: str, **more: Any) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, rich_help_panel=LEARNING, show_default=False, **more)


def serve(
    context: typer.Context,
    run: Annotated[
        Path, typer.Argument(help="A run folder that train made.", show_default=False)
    ],
    host: Annotated[
        str | None,
        _running("--host", help="Address to listen on; any but loopback needs keys.  "
                 "[default: 127.0.0.1]"),
    ] = None,
    port: Annotated[
        int | None, _running("--port", help="0 takes a free one.  [default: 8000]")
    ] = None,
    database: Annotated[
        str | None,
        _running("--database", help="Where events go: sqlite:///events.db, "
                 "postgresql://user@host/name.  [default: RUN.events.db beside the run]"),
    ] = None,
    service: Annotated[
        str | None,
        _running("--service", help="The name of the service, where several runs share one "
                 "database.  [default: default]"),
    ] = None,
    workers: Annotated[
        int | None, _running("--workers", help="Processes that answer.  [default: 1]")
    ] = None,
    threads: Annotated[
        int | None, _running("--threads", help="Threads of each.  [default: 4]")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"] | None,
        _running("--device", help="Where to compute.  [default: cpu]"),
    ] = None,
    approximate: Annotated[
        bool | None,
        _running("--approximate", help="Search the index that tastemaker index made."),
    ] = None,
    open_page: Annotated[
        bool, _running("--open", help="Show the page in a browser once the service answers.")
    ] = False,
    logs: Annotated[
        Literal["pretty", "json"] | None,
        _running("--logs", help="How log lines look.  [default: pretty]"),
    ] = None,
    require_key: Annotated[
        bool | None,
        _safety("--require-key", help="Ask for a key on a loopback address too."),
    ] = None,
    page_key: Annotated[
        str | None,
        _safety("--page-key", help="The key with which the pages ask, where keys are needed: one "
                "with the scopes read and write."),
    ] = None,
    cors: Annotated[
        list[str] | None,
        _safety("--cors", help="An origin whose pages may call the API, as https://shop.example; "
                "may be given several times."),
    ] = None,
    trusted_hosts: Annotated[
        list[str] | None,
        _safety("--trusted-host", help="A name besides localhost by which a service without keys "
                "may be asked; may be given several times."),
    ] = None,
    trusted_proxies: Annotated[
        list[str] | None,
        _safety("--trusted-proxy", help="Address or network of a proxy whose X-Forwarded-For, "
                "X-Forwarded-Proto and X-Forwarded-Prefix are believed; may be given several "
                "times."),
    ] = None,
    root_path: Annotated[
        str | None,
        _running("--root-path", help="The prefix under which a proxy has the service, as /shop."),
    ] = None,
    rate: Annotated[
        float | None,
        _safety("--rate", help="Requests a second for each key and worker.  [default: no limit]"),
    ] = None,
    learn: Annotated[
        bool | None,
        _learning("--learn", help="Train on fresh events in the background, and swap the result in "
                  "where it is better."),
    ] = None,
    learn_every_s: Annotated[
        float | None, _learning("--learn-every-s", help="How often it looks.  [default: 3600]")
    ] = None,
    learn_from: Annotated[
        int | None, _learning("--learn-from", help="New events that are worth it.  [default: 1000]")
    ] = None,
) -> None:  # fmt: skip
    """Serve a run over HTTP: recommendations that change with every event.

    Examples: tastemaker serve runs/demo, then curl localhost:8000/v1/users/42/recommendations;
    tastemaker serve runs/demo --workers 4 --database postgresql://app@db/events

    All settings can also come from the environment, as TASTEMAKER_PORT; docs/serving.md lists them.
    """
    from tastemaker.serving.run import run as run_service
    from tastemaker.serving.settings import ServiceSettings
    from tastemaker.serving.start import check

    settings = ServiceSettings.gathered(
        {name: value for name, value in context.params.items() if name != "open_page"}
    )
    start = check(settings)
    for each in start.notes:
        note(each)

    def announce(url: str) -> None:
        out.print(f"serving {start.run} at {url}", markup=False, soft_wrap=True)
        note(f"events go to {settings.shown_database}; documentation at {url}/docs; Ctrl-C ends")
        if open_page:
            threading.Thread(target=_show, args=(url,), daemon=True).start()

    with until_ctrl_c():
        run_service(settings, announce)


def _show(url: str) -> None:
    """Opens the page in a browser as soon as the service responds."""
    import httpx

    until = time.monotonic() + LONGEST_START_S
    while time.monotonic() < until:
        try:
            httpx.get(f"{url}/healthz", timeout=1, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        webbrowser.open(url)
        return
