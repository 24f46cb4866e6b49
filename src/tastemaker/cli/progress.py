"""Progress on a terminal: one bar on standard error for work that takes longer than two seconds."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBars

from tastemaker.cli.common import err
from tastemaker.progress import OnProgress, Progress

SHOWN_AFTER_S = 2.0


@contextmanager
def progress_bar() -> Iterator[OnProgress]:
    """Yields a callback that shows its reports as a bar, which disappears after the block.

    Nothing is shown if standard error is not a terminal.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with _LateBars(
        *columns, console=err, transient=True, disable=not err.is_terminal, refresh_per_second=4
    ) as bars:
        task = bars.add_task("")
        shown = ""

        def on_progress(progress: Progress) -> None:
            nonlocal shown
            text = progress.title
            if text != shown:
                # The time remaining is estimated from the current piece of work alone.
                bars.reset(task, description=text)
                shown = text
            bars.update(task, completed=progress.done, total=progress.total)

        yield on_progress


class _LateBars(ProgressBars):
    """Bars that appear after SHOWN_AFTER_S seconds, so that short work shows none."""

    _began_at: float | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        now = time.monotonic()
        if self._began_at is None:
            self._began_at = now
        if now - self._began_at >= SHOWN_AFTER_S:
            yield from super().get_renderables()
