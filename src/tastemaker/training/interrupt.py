"""A graceful Ctrl-C: training ends at a place where what was reached can be kept."""

import signal
import threading
from collections.abc import Iterator
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
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)

        def stop(number: int, frame: Any) -> None:
            self.asked = True
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
