"""Processes that do something at a known moment: receive a Ctrl-C, or wait."""

import os
import signal
import time
from typing import Any

from tastemaker import progress
from tastemaker.data import card
from tastemaker.training.checkpoint import SafetensorsIO


def at_the_first_progress() -> None:
    """Interrupts this process when it first reports progress."""
    progress.Meter.advance = _interrupt
    card.describe = _interrupt


def _interrupt(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def slow_to_read_checkpoints() -> None:
    """Lets every reading of a checkpoint in this process take a second longer."""
    load = SafetensorsIO.load_checkpoint

    def load_late(io: SafetensorsIO, *arguments: Any) -> dict[str, Any]:
        time.sleep(1)
        return load(io, *arguments)

    SafetensorsIO.load_checkpoint = load_late
