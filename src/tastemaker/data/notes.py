"""Reports the automatic decisions of reading and splitting, through the logger `tastemaker`.

In a script that does not configure logging, the notes go to standard error, and in a notebook to
standard output, since a notebook shows standard error like a failure. Where logging is configured,
they go where its handlers send messages of level INFO. In all cases,
`logging.getLogger("tastemaker").setLevel("WARNING")` silences them.
"""

import logging
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from tastemaker.notebook import is_notebook

logger = logging.getLogger("tastemaker")

P = ParamSpec("P")
R = TypeVar("R")


def log_notes(notes: Iterable[str]) -> None:
    """Logs the notes as INFO, or writes them out where logging is not configured."""
    for note in notes:
        if logger.hasHandlers():
            logger.info("%s", note)
        # Without a handler, `logging` itself would drop every message below WARNING.
        elif logger.level <= logging.INFO and logging.root.manager.disable < logging.INFO:
            stream = sys.stdout if is_notebook() else sys.stderr
            stream.write(f"tastemaker: {note}\n")


def reports_notes(function: Callable[P, R]) -> Callable[P, R]:
    """Decorates a function to report the notes of its result that none of its arguments had."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        result = function(*args, **kwargs)
        earlier_notes = {
            note for argument in (*args, *kwargs.values()) for note in _notes_of(argument)
        }
        log_notes(note for note in _notes_of(result) if note not in earlier_notes)
        return result

    return wrapper


def _notes_of(thing: Any) -> tuple[str, ...]:
    """Returns the notes of interactions, of a data set, or of a split and its training data."""
    return (*getattr(getattr(thing, "train", None), "notes", ()), *getattr(thing, "notes", ()))
