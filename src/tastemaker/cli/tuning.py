"""Shows a search for settings: its progress and its result."""

import time
from typing import Any, Self

import typer
from rich.status import Status

from tastemaker.cli.common import INTERRUPTED, err, note, out, print_json, table_of
from tastemaker.experiments.trials import Trial, best_first
from tastemaker.experiments.tuning import TuningListener, TuningResult
from tastemaker.progress import REPORT_EVERY_S, Progress

N_SHOWN = 5


class TuningStatus:
    """Shows a line for each finished trial and, on a terminal, a live line for the current one."""

    def __init__(self, metric: str, n_trials: int) -> None:
        """Takes the metric that is maximised, and the number of trials in total."""
        self._metric, self._n_trials = metric, n_trials
        self._done: list[Trial] = []
        self._status = Status("", console=err)
        self._shown_at = 0.0
        self._n_awaited = 0

    def __enter__(self) -> Self:
        if err.is_terminal:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def listener(self) -> TuningListener:
        """The listener that shows a search on this status."""
        return TuningListener(self._begin, self._trial, self._progress, self._wait)

    def _begin(self, trials: list[Trial]) -> None:
        self._done.extend(trials)
        if trials:
            note(f"continuing after {len(trials)} earlier trials, up to {self._n_trials}")
        self._status.update(self._line())

    def _trial(self, trial: Trial) -> None:
        self._done.append(trial)
        note(self._trial_line(trial))
        self._status.update(self._line())

    def _progress(self, progress: Progress) -> None:
        if time.monotonic() - self._shown_at >= REPORT_EVERY_S:
            self._shown_at = time.monotonic()
            fraction = progress.done / max(1, progress.total)
            self._status.update(self._line(f", {progress.title}, {fraction:.0%}"))

    def _wait(self, n_running: int) -> None:
        if n_running and n_running != self._n_awaited:
            note(f"waiting for trials of other workers: {n_running} still running")
        self._n_awaited = n_running

    def _line(self, stage: str = "") -> str:
        best = best_first(self._done)
        so_far = f"; best {self._metric} {best[0].value:.4f}" if best else ""
        current = min(len(self._done) + 1, self._n_trials)
        return f"trial {current}/{self._n_trials}{stage}{so_far}"

    def _trial_line(self, trial: Trial) -> str:
        value = "" if trial.value is None else f" {self._metric} {trial.value:.4f}"
        state = "" if trial.state == "complete" else f" {trial.state}"
        error = f": {trial.error}" if trial.error else ""
        epochs = f", {trial.epochs} epochs" if trial.epochs else ""
        return (
            f"trial {trial.number}/{self._n_trials}{state}{value}  {_settings(trial)}  "
            f"({trial.elapsed_s:.1f} s{epochs}){error}"
        )


def show(result: TuningResult, *, as_json: bool) -> None:
    """Prints the result of a search.

    Raises:
        typer.Exit: with 130 if Ctrl-C ended the search.
    """
    if as_json:
        print_json(result.to_dict())
    else:
        _print(result)
    if result.interrupted:
        note("interrupted; run the same command again, without --restart, to continue")
        raise typer.Exit(INTERRUPTED)


def _print(result: TuningResult) -> None:
    rows = [
        {
            "trial": trial.number,
            result.metric: trial.value,
            "best epoch": trial.best_epoch,
            "time": f"{trial.elapsed_s:.1f} s",
            "settings": _settings(trial),
        }
        for trial in result.best[:N_SHOWN]
    ]
    counts = {state: sum(t.state == state for t in result.trials) for state in ("pruned", "failed")}
    of_them = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    title = f"the best of {len(result.trials)} trials"
    title += (f" ({of_them})" if of_them else "") + "; on the validation part"
    out.print(title, style="bold")
    out.print(table_of(rows))
    out.print(
        f"best settings: {result.config_file}; use: tastemaker train … --model {result.model} "
        f"--config {result.config_file}",
        markup=False,
        soft_wrap=True,
    )


def _settings(trial: Trial) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in trial.settings.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
