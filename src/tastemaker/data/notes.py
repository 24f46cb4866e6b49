"""Shows what reading and splitting decided on their own, through the logger `tastemaker`.

A script or a notebook that configures no logging sees the notes on standard error. One that does
sees them wherever its handlers send messages of level INFO. Both silence them with
`logging.getLogger("tastemaker").setLevel("WARNING")`.
"""

import logging
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

logger = logging.getLogger("tastemaker")

P = ParamSpec("P")
R = TypeVar("R")


def tell(notes: Iterable[str]) -> None:
    """Logs the notes as INFO, or writes them to standard error where logging is not configured."""
    for note in notes:
        if logger.hasHandlers():
            logger.info("%s", note)
        # Without a handler `logging` itself would drop everything below a warning.
        elif logger.level <= logging.INFO and logging.root.manager.disable < logging.INFO:
            sys.stderr.write(f"tastemaker: {note}\n")


def telling(function: Callable[P, R]) -> Callable[P, R]:
    """Decorates a function so that it tells the notes of its result that no argument had before."""

    @wraps(function)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        result = function(*args, **kwargs)
        before = {note for given in (*args, *kwargs.values()) for note in _notes_of(given)}
        tell(note for note in _notes_of(result) if note not in before)
        return result

    return told


def _notes_of(thing: Any) -> tuple[str, ...]:
    """The notes of interactions, of a data set, or of a split and its training data."""
    return (*getattr(getattr(thing, "train", None), "notes", ()), *getattr(thing, "notes", ()))
