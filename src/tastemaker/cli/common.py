"""What all verbs share: output streams, exit codes, and formats of numbers and tables."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tastemaker.cli.flags import in_flags

USER_ERROR = 2
INTERRUPTED = 130
"""Exit codes: a user's mistake, and Ctrl-C."""

out = Console(highlight=False)
"""Results: standard output."""

err = Console(stderr=True, highlight=False)
"""Everything else: progress, notes, errors."""


@contextmanager
def interrupt_message(what: str) -> Iterator[None]:
    """Adds a description of what was kept to a KeyboardInterrupt of the block.

    Args:
        what: the end of the error line, such as `nothing was written`.
    """
    try:
        yield
    except KeyboardInterrupt as interrupt:
        # A message that an inner block has added is more exact.
        raise KeyboardInterrupt(*(interrupt.args or (what,))) from None


@contextmanager
def until_ctrl_c() -> Iterator[None]:
    """For verbs that usually end with Ctrl-C: sets the exit code, without an error line."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def print_json(value: Any) -> None:
    """Prints one JSON object, and nothing else, to standard output."""
    if not out.quiet:
        typer.echo(json.dumps(value, ensure_ascii=False, default=str))


def be_quiet() -> None:
    """Prints nothing from now on, in a process that only works for another one."""
    out.quiet = err.quiet = True


def environment() -> dict[str, str]:
    """The environment of this process, for a command that it starts."""
    return dict(os.environ)


def note(text: str) -> None:
    """Prints a remark on what was decided or done to standard error, apart from results."""
    err.print(in_flags(text), style="dim", markup=False, soft_wrap=True)


def table_of(rows: Iterable[dict[str, Any]], title: str | None = None) -> Table:
    """A plain table of dictionaries with the same keys.

    A column whose first value is a number is aligned to the right.
    """
    rows = list(rows)
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name, value in (rows[0] if rows else {}).items():
        number = isinstance(value, int | float)
        table.add_column(
            name, justify="right" if number else "left", header_style="bold", overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(_shown(value)) for value in row.values()))
    return table


def wants_debugging() -> bool:
    """Whether TASTEMAKER_DEBUG is set, so that errors show tracebacks."""
    return bool(os.environ.get("TASTEMAKER_DEBUG"))


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value)
