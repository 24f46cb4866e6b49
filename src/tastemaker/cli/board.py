"""How a comparison stands: a live table on a terminal, a line a model elsewhere."""

import time
from dataclasses import dataclass
from typing import Self

from rich.live import Live
from rich.table import Table
from rich.text import Text

from tastemaker.bundle.comparison import Answer, Listener
from tastemaker.cli.common import err, note
from tastemaker.training.run import Progress


@dataclass
class _Line:
    state: str = "waiting"
    style: str = "dim"
    result: str = ""
    seconds: str = ""


class Board:
    """One line a model: waiting, training, evaluating, then what came of it."""

    def __init__(self, labels: list[str], metric: str) -> None:
        self._metric = metric
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

        def on_progress(progress: Progress) -> None:
            done = f"{progress.batch}/{progress.batches} batches"
            self._set(label, f"training, epoch {progress.epoch}/{progress.epochs}, {done}", "cyan")

        return Listener(lambda stage: self._set(label, stage, "cyan"), on_progress)

    def done(self, label: str, answer: Answer) -> None:
        """The model has an answer."""
        evaluation = answer.evaluation
        low, high = evaluation.intervals[self._metric]
        mean = evaluation.metrics[self._metric]
        result = f"{self._metric} {mean:.4f} ({low:.4f} to {high:.4f})"
        self._finish(label, answer.how, "green", result)

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
