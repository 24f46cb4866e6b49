"""A graceful Ctrl-C: work ends at a place where what was reached can be kept."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class TrainingInterruptedError(Exception):
    """Training was asked to stop; raised between two steps."""


class Interrupt:
    """Holds the first Ctrl-C back until training can stop; a second one ends it at once."""

    def __init__(self) -> None:
        self.asked = False

    def stop_if_asked(self) -> None:
        """Raises TrainingInterruptedError after a Ctrl-C."""
        if self.asked:
            raise TrainingInterruptedError

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handles SIGINT inside the block, in the main thread, where Python allows that."""

        def stop(number: int, frame: Any) -> None:
            self.asked = True
            signal.signal(signal.SIGINT, before)

        with _handling(stop) as before:
            yield


@contextmanager
def after_this() -> Iterator[None]:
    """Delivers a Ctrl-C that comes inside the block when the block has ended.

    For short work with a library that cannot be stopped anywhere, such as a transaction.
    """
    asked = False

    def note(number: int, frame: Any) -> None:
        nonlocal asked
        asked = True

    try:
        with _handling(note):
            yield
    finally:
        if asked:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _handling(handler: Callable[[int, Any], None]) -> Iterator[Any]:
    """Handles SIGINT by a function and gives what handled it before.

    Nothing is done in other threads than the main one, where Python allows no handlers.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread():
        yield before
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield before
    finally:
        signal.signal(signal.SIGINT, before)
