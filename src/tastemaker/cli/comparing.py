"""The steps that compare and demo share: every model in its turn, then who is best."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import typer

from tastemaker import artifact
from tastemaker.bundle.comparison import COMPARISON, Answer, Question, answer
from tastemaker.bundle.unfinished import identity_of, only_one
from tastemaker.cli.board import Board
from tastemaker.cli.common import INTERRUPTED, note, out, print_json, wants_debugging
from tastemaker.cli.leaderboard import print_leaderboard
from tastemaker.errors import ConfigError, TastemakerError
from tastemaker.evaluation.leaderboard import Correction, Entry, Leaderboard
from tastemaker.models.recommender import RUN, Recommender
from tastemaker.reports.examples import examples
from tastemaker.reports.report import write_report
from tastemaker.training.run import DeviceName, resolve_device

LEADERBOARD, TABLE, REPORT = "leaderboard.json", "leaderboard.csv", "report.html"

SOME_FAILED = 1
"""Exit code: at least one model failed, and at least one did not."""


@dataclass(frozen=True)
class Comparing:
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
            ConfigError: all models failed.
            typer.Exit: with 1 where some failed, 130 after a Ctrl-C; what is done is shown.
        """
        question.split.targets("test")  # raises where nothing was held out
        new = not self.out.exists()
        with only_one(self.out):
            artifact.claim(self.out, COMPARISON, self._about(question))
            answers, failures, interrupted = self._answers(question)
            if not answers:
                if new and not any((self.out / "models").glob("*")):
                    shutil.rmtree(self.out)
                if interrupted:
                    raise KeyboardInterrupt
                reasons = "; ".join(f"{label}: {reason}" for label, reason in failures.items())
                raise ConfigError(f"every model failed: {reasons}")
            board = self._leaderboard(answers, failures)
            paths = self._write(board, answers, question)
        if as_json:
            how = {label: each.how for label, each in answers.items()}
            print_json(board.to_dict() | {"how": how, "interrupted": interrupted} | paths)
        else:
            print_leaderboard(board)
            out.print(f"report: {paths['report']}", markup=False, soft_wrap=True)
        if interrupted:
            note("interrupted; the same command goes on with the models that are missing")
            raise typer.Exit(INTERRUPTED)
        if failures:
            raise typer.Exit(SOME_FAILED)

    def _answers(self, question: Question) -> tuple[dict[str, Answer], dict[str, str], bool]:
        """What came of each model, why the others failed, and whether Ctrl-C ended it early."""
        answers: dict[str, Answer] = {}
        failures: dict[str, str] = {}
        with Board(list(self.models), self.metric) as board:
            for label, model in self.models.items():
                listener = board.listener(label)
                try:
                    answers[label] = answer(
                        self.folder(label), model, question, self.device, listener
                    )
                except KeyboardInterrupt:
                    return answers, failures, True
                except Exception as error:
                    if wants_debugging():
                        raise
                    failures[label] = _reason(error)
                    board.failed(label, failures[label])
                else:
                    board.done(label, answers[label])
        return answers, failures, False

    def _leaderboard(self, answers: dict[str, Answer], failures: dict[str, str]) -> Leaderboard:
        entries = [
            Entry(label, each.evaluation, each.model.log.fit_s) for label, each in answers.items()
        ]
        entries += [Entry(label, error=reason) for label, reason in failures.items()]
        return Leaderboard(entries, self.metric, self.correction)

    def _write(
        self, board: Leaderboard, answers: dict[str, Answer], question: Question
    ) -> dict[str, str]:
        logs = {label: each.model.log for label, each in answers.items()}
        models = {label: each.model for label, each in answers.items()}
        shown = examples(models, question.split)
        text = json.dumps(board.to_dict(), indent=2, ensure_ascii=False)
        with artifact.replacing(self.out / LEADERBOARD) as beside:
            beside.write_text(text + "\n", encoding="utf-8")
        with artifact.replacing(self.out / TABLE) as beside:
            pl.DataFrame(board.rows(), infer_schema_length=None).write_csv(beside)
        write_report(self.out / REPORT, board, logs, shown)
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


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, TastemakerError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
