"""Every model in its turn, and how they stand: a live table, or a line a model elsewhere."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from rich.live import Live
from rich.table import Table
from rich.text import Text

from tastemaker.bundle.comparison import Listener
from tastemaker.cli.common import err, note, wants_debugging
from tastemaker.cli.progress import in_words
from tastemaker.cli.wording import in_flags
from tastemaker.errors import TastemakerError
from tastemaker.progress import REPORT_EVERY_S, Progress

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of the models."""

    done: dict[str, T]
    failed: dict[str, str]
    """Reasons."""
    interrupted: bool = False
    """Whether Ctrl-C ended it before all had their turn."""


def in_turn(
    labels: Iterable[str],
    work: Callable[[str, Listener], T],
    describe: Callable[[T], tuple[str, str]],
) -> Outcome[T]:
    """Does the work for every label, and shows how it stands; one that fails stops no other.

    Args:
        labels: in the order to take them.
        work: is told the label, and whom to tell how far it is.
        describe: of what came of one, how it came about, and the result in a few words.
    """
    labels = list(labels)
    done: dict[str, T] = {}
    failed: dict[str, str] = {}
    with Board(labels) as board:
        for label in labels:
            try:
                done[label] = work(label, board.listener(label))
            except KeyboardInterrupt:
                return Outcome(done, failed, interrupted=True)
            except Exception as error:
                if wants_debugging():
                    raise
                failed[label] = _reason(error)
                board.failed(label, failed[label])
            else:
                board.done(label, *describe(done[label]))
    return Outcome(done, failed)


@dataclass
class _Line:
    state: str = "waiting"
    style: str = "dim"
    result: str = ""
    seconds: str = ""


class Board:
    """One line a model: waiting, training, evaluating, then what came of it."""

    def __init__(self, labels: list[str]) -> None:
        self._lines = {label: _Line() for label in labels}
        can_redraw = err.is_terminal and not err.is_dumb_terminal
        self._live = Live(console=err, auto_refresh=False) if can_redraw else None
        self._began_at = time.monotonic()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
            self._draw()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def listener(self, label: str) -> Listener:
        """Who is told how far a model is; starts its clock."""
        self._began_at = time.monotonic()

        shown, shown_at = "", 0.0

        def on_progress(progress: Progress) -> None:
            nonlocal shown, shown_at
            words = in_words(progress)
            if words == shown and time.monotonic() - shown_at < REPORT_EVERY_S:
                return
            shown, shown_at = words, time.monotonic()
            fraction = progress.done / max(1, progress.total)
            self._set(label, f"{words}, {fraction:.0%}", "cyan")

        return Listener(lambda stage: self._set(label, stage, "cyan"), on_progress)

    def done(self, label: str, how: str, result: str) -> None:
        """The model has an answer."""
        self._finish(label, how, "green", result)

    def failed(self, label: str, reason: str) -> None:
        """The model has failed; the others go on."""
        self._finish(label, f"failed: {reason}", "red", "")

    def _finish(self, label: str, state: str, style: str, result: str) -> None:
        seconds = f"{time.monotonic() - self._began_at:.1f} s"
        self._lines[label] = _Line(state, style, result, seconds)
        if self._live is None:
            note("  ".join(part for part in (f"{label}: {state}", result, seconds) if part))
        self._draw()

    def _set(self, label: str, state: str, style: str) -> None:
        self._lines[label] = _Line(state, style)
        self._draw()

    def _draw(self) -> None:
        if self._live is None:
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        for label, line in self._lines.items():
            cells = (label, line.result, line.seconds)
            table.add_row(Text(cells[0], "bold"), Text(line.state, line.style), *cells[1:])
        self._live.update(table, refresh=True)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, TastemakerError):
        return in_flags(text)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
