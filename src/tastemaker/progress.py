"""Progress: how far long work has come, reported to a callback that the caller passes in."""

import time
from collections.abc import Callable
from dataclasses import dataclass

REPORT_EVERY_S = 0.1


@dataclass(frozen=True)
class Progress:
    """How far one piece of work has come."""

    what: str
    """The work in a few words, for example `training` or `ranking users`."""
    done: int
    """Units of work that are done: batches of the current epoch, users, items or blocks."""
    total: int
    """Units of work in all."""
    epoch: int = 0
    """The current epoch, from 1; 0 for work that has no epochs."""
    epochs: int = 0
    """How many epochs are planned; 0 for work that has none."""
    metrics: dict[str, float] | None = None
    """At the end of an epoch its loss and validation metrics, otherwise None."""


OnProgress = Callable[[Progress], None]
"""Receives progress, always in the thread that asked for the work. It may raise to end the work."""


class Meter:
    """Counts the units of one piece of work and reports them, at most ten times a second."""

    def __init__(self, on_progress: OnProgress | None, what: str, total: int) -> None:
        """Reports at once that the work begins.

        Args:
            on_progress: receives the reports; None for nobody.
            what: the work in a few words.
            total: units of work in all.
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
