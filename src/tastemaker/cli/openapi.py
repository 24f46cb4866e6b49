"""tastemaker openapi: writes the OpenAPI schema of the service."""

from pathlib import Path
from typing import Annotated

import typer

from tastemaker.cli.common import note


def openapi(
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write to this file. (default: standard output)")
    ] = None,
) -> None:
    """Write the OpenAPI schema of the service, from which documentation and clients can be made.

    Example: tastemaker openapi --out openapi.json
    """
    import json

    from tastemaker.serving.app import make_app
    from tastemaker.serving.settings import ServiceSettings

    # The schema does not depend on the run.
    schema = make_app(ServiceSettings(run=Path("run"))).openapi()
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    if out_file is None:
        typer.echo(text)
        return
    out_file.write_text(text + "\n", encoding="utf-8")
    note(f"{len(schema['paths'])} paths written to {out_file}")
