"""Progress in a notebook: one line with a bar, which is updated in place.

It needs no widgets: the kernel of a notebook replaces what a cell has displayed. A stored notebook
therefore holds one line for each piece of work.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Protocol

from tastemaker.progress import OnProgress, Progress

SHOWN_AFTER_S = 1.0
"""Work that takes less time shows nothing."""

REDRAWN_EVERY_S = 0.25


class Handle(Protocol):
    """What has been displayed, and can be replaced; an IPython `DisplayHandle`."""

    def update(self, obj: object) -> None:
        """Replaces what is displayed."""


@contextmanager
def shown_progress(
    on_progress: OnProgress | None,
    subject: str,
    was_stopped: Callable[[], bool] = lambda: False,
) -> Iterator[OnProgress | None]:
    """Yields the given callback or, if there is none, one that shows a bar in a notebook.

    Outside notebooks it yields None if there is no callback: a library does not print.

    Args:
        on_progress: what the caller of a public function gave as its callback.
        subject: what is worked on, such as the name of a model.
        was_stopped: returns, once the block has ended without an exception, whether Ctrl-C ended
            the work early; by default it has not.
    """
    display = None if on_progress is not None else _display_of_notebook()
    if display is None:
        yield on_progress
        return
    bar = _Bar(display, subject)
    try:
        yield bar.show
    except BaseException:
        bar.end("stopped")
        raise
    bar.end("stopped" if was_stopped() else "finished")


def is_notebook() -> bool:
    """Returns whether this code runs in the kernel of a notebook."""
    # A notebook has imported IPython; nothing else should have to.
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def _display_of_notebook() -> Callable[[object], Handle] | None:
    """Returns the function that displays an object; None outside the kernel of a notebook."""
    if not is_notebook():
        return None
    display = sys.modules["IPython"].display.display
    return lambda thing: display(thing, display_id=True)


@dataclass(frozen=True)
class _Line:
    """What is displayed: a text and, while the work lasts, a bar before it."""

    text: str
    done: int | None = None
    total: int = 0

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        bar = ""
        if self.done is not None:
            bar = f'<progress value="{self.done}" max="{max(self.total, 1)}"></progress> '
        return f"<span>{bar}{escape(self.text)}</span>"


class _Bar:
    def __init__(self, display: Callable[[object], Handle], subject: str) -> None:
        self._display, self._subject = display, subject
        self._handle: Handle | None = None
        self._began_at = self._drawn_at = time.monotonic()
        self._metrics = ""

    def show(self, progress: Progress) -> None:
        """Displays the progress, at most four times a second."""
        if progress.metrics:
            values = (f"{name} {value:.4f}" for name, value in progress.metrics.items())
            self._metrics = f"; {', '.join(values)}"
        now = time.monotonic()
        interval_s = SHOWN_AFTER_S if self._handle is None else REDRAWN_EVERY_S
        if now - self._drawn_at >= interval_s:
            self._drawn_at = now
            text = f"{self._subject}: {progress.title}{self._metrics}"
            self._draw(_Line(text, progress.done, progress.total))

    def end(self, how: str) -> None:
        """Replaces the bar, if there is one, by how the work ended, its duration and result."""
        if self._handle is not None:
            elapsed_s = time.monotonic() - self._began_at
            self._draw(_Line(f"{self._subject}: {how} after {elapsed_s:.1f} s{self._metrics}"))

    def _draw(self, line: _Line) -> None:
        if self._handle is None:
            self._handle = self._display(line)
        else:
            self._handle.update(line)
