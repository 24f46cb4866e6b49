"""A Ctrl-C at a known moment."""

import os
import signal

from tastemaker import progress
from tastemaker.data import card


def at_the_first_progress() -> None:
    """Interrupts this process when it first reports progress."""
    progress.Meter.advance = _interrupt
    card.describe = _interrupt


def _interrupt(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGINT)
