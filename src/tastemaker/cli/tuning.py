"""The steps of tune: search with progress, write what was found, show it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer
from rich.status import Status

from tastemaker import artifact
from tastemaker.bundle.unfinished import only_one
from tastemaker.cli.common import INTERRUPTED, err, note, out, print_json, table_of
from tastemaker.cli.progress import in_words
from tastemaker.data.split import Split
from tastemaker.errors import ConfigError, did_you_mean
from tastemaker.evaluation.protocols import RankingProtocol
from tastemaker.metrics.accuracy import ACCURACY
from tastemaker.progress import REPORT_EVERY_S, Progress
from tastemaker.training.run import DeviceName, resolve_device
from tastemaker.tuning.files import BEST, TRIALS, write_best, write_trials
from tastemaker.tuning.search import STUDY, Search, check_extent, search, space_of
from tastemaker.tuning.trials import Trial, best_first

SEARCH = "search"
"""The kind of folder that a search is written to."""

N_SHOWN = 5


@dataclass(frozen=True)
class Tuning:
    """One search as the command line asks for it."""

    model: str
    out: Path
    settings: dict[str, Any]
    trials: int
    timeout_s: float | None = None
    metric: str = "ndcg@10"
    seed: int | None = None
    device: DeviceName = "auto"
    restart: bool = False

    def check(self) -> None:
        """Refuses, before any work, what could only fail later."""
        artifact.refuse_foreign(self.out, SEARCH)
        check_extent(self.trials, self.timeout_s)
        name, _, cut = self.metric.partition("@")
        if name not in ACCURACY or not cut.isdecimal() or int(cut) < 1:
            known = did_you_mean(name, ACCURACY)
            raise ConfigError(f'--metric: "{self.metric}" is not measured; {known} (as ndcg@10)')
        space_of(self.model, self.settings)
        resolve_device(self.device)

    def run(self, split: Split, protocol: RankingProtocol, *, json: bool = False) -> None:
        """Searches, writes and shows.

        Raises:
            ConfigError: no trial was completed.
            typer.Exit: with 130 after a Ctrl-C; what is done is written and shown.
        """
        fixed = dict(self.settings)
        if self.seed is not None:
            fixed.pop("seed", None)
        what = Search(self.model, split, protocol, self.metric, fixed, self.seed or 0)
        what.check()
        with only_one(self.out):
            artifact.claim(self.out, SEARCH, {})
            if self.restart:
                for name in (STUDY, BEST, TRIALS):
                    (self.out / name).unlink(missing_ok=True)
            trials, interrupted = self._search(what)
            best = best_first(trials)
            if trials:
                write_trials(self.out / TRIALS, trials)
            if not best:
                if interrupted:
                    raise KeyboardInterrupt("no trial was completed")
                reason = next((f": {trial.error}" for trial in trials if trial.error), "")
                raise ConfigError(f"none of {len(trials)} trials was completed{reason}")
            write_best(self.out / BEST, what, best[0], len(trials))
        self._show(trials, best, interrupted, json)
        if interrupted:
            note("interrupted; the same command goes on")
            raise typer.Exit(INTERRUPTED)

    def _search(self, what: Search) -> tuple[list[Trial], bool]:
        """The trials, and whether Ctrl-C ended the search."""
        done: list[Trial] = []
        with _status() as status:
            shown_at = 0.0

            def on_begin(trials: list[Trial]) -> None:
                done.extend(trials)
                if trials:
                    note(f"{len(trials)} trials were there; going on to {self.trials}")
                status.update(self._line(done))

            def on_trial(trial: Trial) -> None:
                done.append(trial)
                note(self._told(trial))
                status.update(self._line(done))

            def on_progress(progress: Progress) -> None:
                nonlocal shown_at
                if time.monotonic() - shown_at >= REPORT_EVERY_S:
                    shown_at = time.monotonic()
                    fraction = progress.done / max(1, progress.total)
                    status.update(self._line(done, f", {in_words(progress)}, {fraction:.0%}"))

            try:
                return search(
                    what, self.out, self.trials, self.timeout_s, self.device,
                    on_begin=on_begin, on_trial=on_trial, on_progress=on_progress,
                ), False  # fmt: skip
            except KeyboardInterrupt:
                return done, True

    def _line(self, done: list[Trial], stage: str = "") -> str:
        best = best_first(done)
        so_far = f"; best {self.metric} {best[0].value:.4f}" if best else ""
        return f"trial {len(done) + 1}/{self.trials}{stage}{so_far}"

    def _told(self, trial: Trial) -> str:
        value = "" if trial.value is None else f" {self.metric} {trial.value:.4f}"
        state = "" if trial.state == "complete" else f" {trial.state}"
        error = f": {trial.error}" if trial.error else ""
        epochs = f", {trial.epochs} epochs" if trial.epochs else ""
        return (
            f"trial {trial.number}/{self.trials}{state}{value}  {_settings(trial)}  "
            f"({trial.elapsed_s:.1f} s{epochs}){error}"
        )

    def _show(self, trials: list[Trial], best: list[Trial], interrupted: bool, json: bool) -> None:
        if json:
            result = {
                "out": str(self.out), "model": self.model, "metric": self.metric,
                "best": asdict(best[0]), "config": str(self.out / BEST),
                "interrupted": interrupted, "trials": [asdict(trial) for trial in trials],
            }  # fmt: skip
            print_json(result)
            return
        rows = [
            {
                "trial": trial.number,
                self.metric: trial.value,
                "best epoch": trial.best_epoch,
                "time": f"{trial.elapsed_s:.1f} s",
                "settings": _settings(trial),
            }
            for trial in best[:N_SHOWN]
        ]
        counts = {state: sum(t.state == state for t in trials) for state in ("pruned", "failed")}
        others = "".join(f", {n} {state}" for state, n in counts.items() if n)
        out.print(f"the best of {len(trials)} trials{others}; on the validation part", style="bold")
        out.print(table_of(rows))
        out.print(
            f"best settings: {self.out / BEST}, as in tastemaker train … --model {self.model} "
            f"--config {self.out / BEST}",
            markup=False,
            soft_wrap=True,
        )


@contextmanager
def _status() -> Iterator[Status]:
    """One live line on a terminal; elsewhere it is silent, and the notes say enough."""
    status = Status("", console=err)
    if not err.is_terminal:
        yield status
        return
    with status:
        yield status


def _settings(trial: Trial) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in trial.settings.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
