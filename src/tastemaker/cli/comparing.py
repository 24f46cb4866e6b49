"""The steps that compare and demo share: every model in its turn, then who is best."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import typer

from tastemaker import artifact
from tastemaker.bundle.cold_start import ColdStartAnswer, cold_start_answer
from tastemaker.bundle.comparison import COMPARISON, ModelAnswer, Question, answer
from tastemaker.bundle.unfinished import identity_of, only_one
from tastemaker.cli.board import Outcome, in_turn
from tastemaker.cli.cold_start import in_few_words, print_cold_start
from tastemaker.cli.common import INTERRUPTED, note, out, print_json
from tastemaker.cli.leaderboard import print_leaderboard
from tastemaker.data.split import Split
from tastemaker.errors import ConfigError
from tastemaker.evaluation.cold_start_results import ColdStarts
from tastemaker.evaluation.leaderboard import Correction, Entry, Leaderboard
from tastemaker.models.recommender import RUN, Recommender
from tastemaker.reports.examples import examples
from tastemaker.reports.report import write_report
from tastemaker.training.run import DeviceName, resolve_device

LEADERBOARD, TABLE, REPORT = "leaderboard.json", "leaderboard.csv", "report.html"

SOME_FAILED = 1
"""Exit code: at least one model failed, and at least one did not."""


@dataclass(frozen=True)
class ComparisonRun:
    """One comparison as the command line asks for it."""

    models: dict[str, Recommender]
    """Unfitted, by label."""
    out: Path
    metric: str
    """Decides the order."""
    correction: Correction = "holm"
    device: DeviceName = "auto"

    def check(self) -> None:
        """Refuses, before any work, what could only fail later."""
        artifact.refuse_foreign(self.out, COMPARISON)
        for label in self.models:
            artifact.refuse_foreign(self.folder(label), RUN)
        resolve_device(self.device)

    def run(self, question: Question, *, as_json: bool = False) -> None:
        """Trains, judges, writes and shows.

        Raises:
            ConfigError: all models failed, or some do not learn from the weights of the data.
            typer.Exit: with 1 where some failed, 130 after a Ctrl-C; what is done is shown.
        """
        self._refuse_weights(question.split)
        question.split.targets("test")  # raises where nothing was held out
        new = not self.out.exists()
        with only_one(self.out):
            artifact.claim(self.out, COMPARISON, self._about(question))
            fitted = self._fitted(question)
            if not fitted.done:
                if new and not any((self.out / "models").glob("*")):
                    shutil.rmtree(self.out)
                if fitted.interrupted:
                    raise KeyboardInterrupt("the first model was not finished")
                reasons = "; ".join(f"{label}: {why}" for label, why in fitted.failed.items())
                raise ConfigError(f"every model failed: {reasons}")
            again = self._fitted_again(fitted, question)
            board = self._leaderboard(fitted)
            cold_starts = _cold_starts(again, board)
            self._write(board, fitted.done, cold_starts, question)
        interrupted = fitted.interrupted or again.interrupted
        if as_json:
            hows = {"how": _hows(fitted.done), "interrupted": interrupted}
            hows |= {} if cold_starts is None else {"cold_start_how": _hows(again.done)}
            print_json(_facts(board, cold_starts) | hows | self._paths())
        else:
            print_leaderboard(board)
            if cold_starts is not None:
                print_cold_start(cold_starts)
            out.print(f"report: {self.out / REPORT}", markup=False, soft_wrap=True)
        if interrupted:
            note("interrupted; the same command goes on with the models that are missing")
            raise typer.Exit(INTERRUPTED)
        if fitted.failed or again.failed:
            raise typer.Exit(SOME_FAILED)

    def _refuse_weights(self, split: Split) -> None:
        """Names all models that do not learn from the weights, before any is trained."""
        unable = [label for label, model in self.models.items() if not model.uses_weights]
        if split.train.weights is not None and unable:
            others = [label for label in self.models if label not in unable]
            left = f", or leave them out: --models {','.join(others)}" if others else ""
            raise ConfigError(
                f"of the models to compare, {', '.join(unable)} cannot learn from weights: "
                f"leave --weight out{left}"
            )

    def _fitted(self, question: Question) -> Outcome[ModelAnswer]:
        def told(of: ModelAnswer) -> tuple[str, str]:
            low, high = of.evaluation.intervals[self.metric]
            mean = of.evaluation.metrics[self.metric]
            return of.how, f"{self.metric} {mean:.4f} ({low:.4f} to {high:.4f})"

        return in_turn(
            self.models,
            lambda label, listener: answer(
                self.folder(label), self.models[label], question, self.device, listener
            ),
            told,
        )

    def _fitted_again(
        self, fitted: Outcome[ModelAnswer], question: Question
    ) -> Outcome[ColdStartAnswer]:
        """Every model that did not fail, without the unseen users; nothing where none are asked."""
        cold = question.cold_start
        if cold is None or fitted.interrupted:
            return Outcome({}, {})
        note(f"unseen users: every model again, without {cold.n_users:,} of the users")
        return in_turn(
            fitted.done,
            lambda label, listener: cold_start_answer(
                self.folder(label), self.models[label], cold, self.device, listener
            ),
            lambda of: (of.how, in_few_words(of.result)),
        )

    def _leaderboard(self, fitted: Outcome[ModelAnswer]) -> Leaderboard:
        entries = [
            Entry(label, each.evaluation, each.model.log.fit_s)
            for label, each in fitted.done.items()
        ]
        entries += [Entry(label, error=reason) for label, reason in fitted.failed.items()]
        return Leaderboard(entries, self.metric, self.correction)

    def _write(
        self,
        board: Leaderboard,
        answers: dict[str, ModelAnswer],
        cold_starts: ColdStarts | None,
        question: Question,
    ) -> None:
        logs = {label: each.model.log for label, each in answers.items()}
        models = {label: each.model for label, each in answers.items()}
        shown = examples(models, question.split)
        text = json.dumps(_facts(board, cold_starts), indent=2, ensure_ascii=False)
        with artifact.replacing(self.out / LEADERBOARD) as beside:
            beside.write_text(text + "\n", encoding="utf-8")
        with artifact.replacing(self.out / TABLE) as beside:
            pl.DataFrame(board.rows(), infer_schema_length=None).write_csv(beside)
        write_report(self.out / REPORT, board, logs, shown, cold_starts)

    def _paths(self) -> dict[str, str]:
        return {
            "out": str(self.out),
            "leaderboard": str(self.out / LEADERBOARD),
            "report": str(self.out / REPORT),
        }

    def _about(self, question: Question) -> dict[str, object]:
        models = {label: identity_of(m, question.split) for label, m in self.models.items()}
        return {"protocol": question.protocol.describe(), "k": question.k, "models": models}

    def folder(self, label: str) -> Path:
        """Where a model's run is, or will be."""
        return self.out / "models" / label


def _facts(board: Leaderboard, cold_starts: ColdStarts | None) -> dict[str, Any]:
    """What the files and --json say alike."""
    return board.to_dict() | ({} if cold_starts is None else {"cold_start": cold_starts.to_dict()})


def _cold_starts(again: Outcome[ColdStartAnswer], board: Leaderboard) -> ColdStarts | None:
    """In the order of the leaderboard; None where nobody was asked."""
    if not again.done and not again.failed:
        return None
    done = [entry.name for entry, _ in board.ranked if entry.name in again.done]
    return ColdStarts({name: again.done[name].result for name in done}, again.failed)


def _hows(answers: Mapping[str, ModelAnswer | ColdStartAnswer]) -> dict[str, str]:
    return {label: each.how for label, each in answers.items()}
