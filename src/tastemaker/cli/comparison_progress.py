"""Shows the progress of a comparison: a live table on a terminal, else a line for each model."""

import time
from dataclasses import dataclass
from typing import Self

from rich.live import Live
from rich.table import Table
from rich.text import Text

from tastemaker.cli.cold_start import short_summary
from tastemaker.cli.common import err, note, wants_debugging
from tastemaker.cli.flags import in_flags
from tastemaker.errors import reason_of
from tastemaker.evaluation.cold_start import ColdStart
from tastemaker.experiments.cold_start_runs import ColdStartModelResult
from tastemaker.experiments.comparison_listener import ComparisonListener
from tastemaker.experiments.model_runs import ModelResult
from tastemaker.experiments.sharing import WAITING
from tastemaker.progress import REPORT_EVERY_S, Progress


@dataclass
class _Line:
    state: str = "waiting"
    style: str = "dim"
    result: str = ""
    seconds: str = ""


class ComparisonTable:
    """A table with a line for each model: waiting, training, evaluating, then its result."""

    def __init__(self, metric: str) -> None:
        """Takes the metric that is shown for each model."""
        self._metric = metric
        self._lines: dict[str, _Line] = {}
        self._live: Live | None = None
        self._began_at, self._shown, self._shown_at = 0.0, "", 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def listener(self) -> ComparisonListener:
        """The listener that shows a comparison in this table."""
        return ComparisonListener(
            self._begin, self._stage, self._progress, self._done, self._failed
        )

    def _begin(self, labels: list[str], cold: ColdStart | None) -> None:
        if self._live is not None:
            self._live.stop()
        if cold is not None:
            note(f"unseen users: training every model again without {cold.n_users:,} users")
        self._lines = {label: _Line() for label in labels}
        if err.is_terminal and not err.is_dumb_terminal:
            self._live = Live(console=err, auto_refresh=False)
            self._live.start()
        self._began_at = time.monotonic()
        self._draw()

    def _stage(self, label: str, stage: str) -> None:
        if stage == WAITING and self._live is None:
            note(f"{label}: {stage}")
        self._set(label, stage, "cyan")

    def _progress(self, label: str, progress: Progress) -> None:
        text = progress.title
        if text == self._shown and time.monotonic() - self._shown_at < REPORT_EVERY_S:
            return
        self._shown, self._shown_at = text, time.monotonic()
        fraction = progress.done / max(1, progress.total)
        self._set(label, f"{text}, {fraction:.0%}", "cyan")

    def _done(self, label: str, answer: ModelResult | ColdStartModelResult) -> None:
        self._finish(label, answer.how, "green", self._result(answer))
        if isinstance(answer, ModelResult):
            for line in answer.model.log.notes:
                note(f"{label}: {line.removeprefix(f'{label}: ')}")

    def _failed(self, label: str, error: Exception) -> None:
        if wants_debugging():
            raise error
        self._finish(label, f"failed: {in_flags(reason_of(error))}", "red", "")

    def _result(self, answer: ModelResult | ColdStartModelResult) -> str:
        if isinstance(answer, ColdStartModelResult):
            return short_summary(answer.result)
        low, high = answer.evaluation.intervals[self._metric]
        mean = answer.evaluation.metrics[self._metric]
        return f"{self._metric} {mean:.4f} ({low:.4f} to {high:.4f})"

    def _finish(self, label: str, state: str, style: str, result: str) -> None:
        seconds = f"{time.monotonic() - self._began_at:.1f} s"
        self._lines[label] = _Line(state, style, result, seconds)
        if self._live is None:
            note("  ".join(part for part in (f"{label}: {state}", result, seconds) if part))
        self._began_at = time.monotonic()
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
