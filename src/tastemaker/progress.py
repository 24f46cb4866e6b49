"""Progress of long-running work, reported to a callback that the caller passes in."""

import time
from collections.abc import Callable
from dataclasses import dataclass

REPORT_EVERY_S = 0.1


@dataclass(frozen=True)
class Progress:
    """The progress of one piece of work."""

    what: str
    """The work in a few words, for example `training` or `ranking users`."""
    done: int
    """Number of units of work done: batches of the current epoch, users, items or blocks."""
    total: int
    """Total number of units of work."""
    epoch: int = 0
    """The current epoch, from 1; 0 for work that has no epochs."""
    epochs: int = 0
    """Number of planned epochs; 0 for work that has none."""
    metrics: dict[str, float] | None = None
    """At the end of an epoch, its loss and validation metrics; otherwise None."""
    part: str = ""
    """The part of the model that is trained, as in a blend; empty for the model itself."""

    @property
    def title(self) -> str:
        """The current work, and its epoch if it has any."""
        return f"{self.what}, epoch {self.epoch}/{self.epochs}" if self.epochs else self.what


OnProgress = Callable[[Progress], None]
"""Receives progress, always in the thread that started the work. It may raise to stop the work."""


class Meter:
    """Counts the units of one piece of work and reports them, at most ten times a second."""

    def __init__(self, on_progress: OnProgress | None, what: str, total: int) -> None:
        """Immediately reports that the work begins.

        Args:
            on_progress: receives the reports; with None there are none.
            what: the work in a few words.
            total: total number of units of work.
        """
        self._on_progress, self._what, self._total = on_progress, what, total
        self._done = 0
        self._report()

    def advance(self, units: int = 1) -> None:
        """Counts further units as done; the last one is always reported."""
        self._done += units
        is_due = time.monotonic() - self._reported_at >= REPORT_EVERY_S
        if is_due or self._done >= self._total:
            self._report()

    def _report(self) -> None:
        self._reported_at = time.monotonic()
        if self._on_progress is not None:
            self._on_progress(Progress(self._what, self._done, self._total))
