"""Graceful handling of Ctrl-C: work stops at a point where its results can be kept."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from tastemaker.process_group import summed


class TrainingInterruptedError(Exception):
    """Training was interrupted by Ctrl-C; raised between two steps."""


class Interrupt:
    """Defers the first Ctrl-C until training can stop; a second one stops it at once."""

    def __init__(self) -> None:
        self.requested = False

    def raise_if_requested(self) -> None:
        """Raises TrainingInterruptedError after a Ctrl-C, in this process or another.

        All processes that train together call this the same number of times, and raise together.
        """
        # Only the sum counts: a Ctrl-C during the sum has not reached the other processes, and
        # stops all of them at the next call.
        if summed(torch.tensor(int(self.requested))):
            raise TrainingInterruptedError

    @contextmanager
    def handling_sigint(self) -> Iterator[None]:
        """Handles SIGINT inside the block, but only in the main thread, where Python allows it."""

        def stop(number: int, frame: Any) -> None:
            self.requested = True
            signal.signal(signal.SIGINT, previous_handler)

        with _signal_handler(stop) as previous_handler:
            yield


@contextmanager
def deferring_interrupt() -> Iterator[None]:
    """Defers a Ctrl-C that is pressed inside the block until the block has ended.

    It is for short work with a library that must not be interrupted at an arbitrary point, such as
    a transaction.
    """
    is_pressed = False

    def remember(number: int, frame: Any) -> None:
        nonlocal is_pressed
        is_pressed = True

    try:
        with _signal_handler(remember):
            yield
    finally:
        if is_pressed:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _signal_handler(handler: Callable[[int, Any], None]) -> Iterator[Any]:
    """Handles SIGINT with a function inside the block, and yields the previous handler.

    Does nothing in threads other than the main one, since Python allows no handlers there.
    """
    previous_handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread():
        yield previous_handler
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield previous_handler
    finally:
        signal.signal(signal.SIGINT, previous_handler)
