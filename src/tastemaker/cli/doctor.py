"""tastemaker doctor: shows what the installation and the machine can do."""

import platform
from importlib import import_module
from typing import Annotated, Any

import typer

from tastemaker.cli import options
from tastemaker.cli.common import err, note, out, print_json, table_of

BROKEN = 1
"""Exit code if the base install cannot work."""

NEEDED = ("tastemaker.machine", "tastemaker.training.fit", "tastemaker.reports.report")
"""Modules of the base install that together import the large packages that it needs."""


def doctor(
    port: Annotated[
        int,
        typer.Option(
            "--port",
            min=1,
            max=65_535,
            envvar="TASTEMAKER_PORT",
            help="Port of the service; whether it is free is shown.",
        ),
    ] = 8000,
    json: options.Json = False,
) -> None:
    """Show versions, processor, compiled code, GPU, memory, folders and extras.

    The exit code is 0, or 1 if something that the base install needs is broken.

    Example: tastemaker doctor
    """
    from tastemaker.installation import extras, unmet_requirements, versions

    problems = [*unmet_requirements(), *_import_errors()]
    found = versions() | {"python": platform.python_version(), "platform": platform.platform()}
    machine = {} if problems else _machine(port)
    parts = [vars(extra) | {"install": extra.install_command} for extra in extras()]
    if json:
        print_json({"versions": found, "machine": machine, "extras": parts, "problems": problems})
    else:
        _print(found, machine, parts)
        for problem in problems:
            err.print(f"broken: {problem}", style="red", markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(BROKEN)


def _import_errors() -> list[str]:
    """Returns a line for each needed module that cannot be imported."""
    errors = []
    for name in NEEDED:
        try:
            import_module(name)
        except Exception as error:
            # A damaged library can raise anything while it is imported.
            errors.append(f"{name} cannot be imported: {type(error).__name__}: {error}")
    return errors


def _machine(port: int) -> dict[str, Any]:
    from tastemaker.machine import is_free, look

    return vars(look()) | {"port": port, "port_is_free": is_free(port)}


def _print(
    versions: dict[str, str | None], machine: dict[str, Any], extras: list[dict[str, Any]]
) -> None:
    facts = {name: version or "not installed" for name, version in versions.items()}
    if machine:
        facts |= {
            "processor": machine["level"],
            "compiled code": "loaded" if machine["library"] else "none",
            "GPU": ", ".join(machine["gpus"]) or "none",
            "BLAS": ", ".join(f"{name}: {blas}" for name, blas in machine["blas"].items()),
            "threads": f"{machine['n_threads']} on {machine['n_cores']} cores",
            "memory": f"{machine['available_bytes'] / 2**30:.1f} GiB available",
            "cache folder": str(machine["cache_folder"]),
            "data folder": machine["data_folder"] or "none; TASTEMAKER_DATA names it",
            f"port {machine['port']}": "free" if machine["port_is_free"] else "in use",
        }
    out.print(table_of({"what": what, "found": found} for what, found in facts.items()))
    out.print()
    out.print(
        table_of(
            {
                "extra": extra["name"],
                "installed": "no" if extra["unmet"] else "yes",
                "install with": extra["install"] if extra["unmet"] else "",
            }
            for extra in extras
        )
    )
    if machine.get("why_not_compiled"):
        note(machine["why_not_compiled"])
