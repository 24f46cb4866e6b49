"""The entry point: the verbs, and the reports of a user's mistakes."""

import gc
import logging
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer
from rich.text import Text
from typer.exceptions import Abort, TyperException

from tastemaker.cli import (
    compare,
    demo,
    doctor,
    evaluate,
    events,
    index,
    inspect,
    items,
    keys,
    learn,
    mcp,
    models,
    openapi,
    prepare,
    recommend,
    serve,
    shards,
    shop,
    similar,
    train,
    tune,
    users,
)
from tastemaker.cli.common import INTERRUPTED, USER_ERROR, err, wants_debugging
from tastemaker.cli.flags import Verb, VerbInterruptedError, in_flags
from tastemaker.errors import TastemakerError

NEW_OBJECTS = 100_000
"""Number of new objects after which Python collects garbage. With its default of 700, a fifth of
the time until a model trains or serves is spent on objects of imports, nearly all of which stay.
"""

VERBS: dict[str, Callable[..., None]] = {
    "inspect": inspect.inspect,
    "prepare": prepare.prepare,
    "train": train.train,
    "evaluate": evaluate.evaluate,
    "compare": compare.compare,
    "tune": tune.tune,
    "recommend": recommend.recommend,
    "shards": shards.shards,
    "similar": similar.similar,
    "index": index.index,
    "serve": serve.serve,
    "learn": learn.learn,
    "events": events.events,
    "items": items.items,
    "users": users.users,
    "keys": keys.keys,
    "openapi": openapi.openapi,
    "mcp": mcp.mcp,
    "models": models.models,
    "doctor": doctor.doctor,
    "demo": demo.demo,
    "shop": shop.shop,
}

app = typer.Typer(
    name="tastemaker",
    help="Train, evaluate and serve recommender models on logs of interactions.",
    epilog="Start with: tastemaker demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)
for name, verb in VERBS.items():
    app.command(name, cls=Verb)(verb)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(version("tastemaker"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass  # the options of the app itself; each verb does its own work


def main() -> None:
    """Runs the command line; a user's mistake ends in one line and exit code 2."""
    gc.set_threshold(NEW_OBJECTS)
    logging.getLogger("tastemaker").setLevel(
        logging.WARNING
    )  # the verbs print the notes themselves
    try:
        code = app(standalone_mode=False)
    except (TastemakerError, TyperException) as error:
        if wants_debugging():
            raise
        fail(_reason(error) if isinstance(error, TyperException) else in_flags(str(error)))
        code = USER_ERROR
    except (VerbInterruptedError, KeyboardInterrupt, Abort) as interrupt:
        fail("; ".join(["interrupted", *map(str, interrupt.args)]))
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has closed the pipe, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        # A path cannot be written or read; the error contains the path and the reason.
        if wants_debugging():
            raise
        fail(f"{error.filename or 'output'}: {error.strerror or error}")
        code = USER_ERROR
    sys.exit(code if isinstance(code, int) else 0)


def _reason(error: TyperException) -> str:
    """What is wrong with the options, without the kind of the error that Typer names."""
    return error.format_message().replace(": Value error, ", ": ")


def fail(message: str) -> None:
    """Prints an error in one red line."""
    line = " ".join(message.split())
    if line:  # empty if the verb was missing: the help has been printed
        err.print(Text(f"error: {line}", style="red"), soft_wrap=True)


if __name__ == "__main__":
    main()
