"""Graceful handling of Ctrl-C: work stops at a point where its results can be kept."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class TrainingInterruptedError(Exception):
    """Training was interrupted by Ctrl-C; raised between two steps."""


class Interrupt:
    """Defers the first Ctrl-C until training can stop; a second one stops it at once."""

    def __init__(self) -> None:
        self.asked = False

    def stop_if_asked(self) -> None:
        """Raises TrainingInterruptedError after a Ctrl-C."""
        if self.asked:
            raise TrainingInterruptedError

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handles SIGINT inside the block, but only in the main thread, where Python allows it."""

        def stop(number: int, frame: Any) -> None:
            self.asked = True
            signal.signal(signal.SIGINT, before)

        with _handling(stop) as before:
            yield


@contextmanager
def after_this() -> Iterator[None]:
    """Defers a Ctrl-C that is pressed inside the block until the block has ended.

    It is for short work with a library that must not be interrupted at an arbitrary point, such as
    a transaction.
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
    """Handles SIGINT with a function inside the block, and yields the previous handler.

    Does nothing in threads other than the main one, since Python allows no handlers there.
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
