"""The steps that train and demo share: fit with progress, evaluate, save, show."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import typer

from tastemaker import artifact
from tastemaker.bundle.bundle import RUN, save_run
from tastemaker.bundle.unfinished import has_checkpoint, identity_of, unfinished
from tastemaker.cli.common import INTERRUPTED, note, out, print_json
from tastemaker.cli.evaluating import make_protocol, print_evaluation
from tastemaker.cli.progress import progress_bar, progress_text
from tastemaker.cli.resuming import finished_run, resume_hint, resume_message
from tastemaker.cli.unused import note_unused
from tastemaker.data.split import Split
from tastemaker.errors import ConfigError
from tastemaker.evaluation.evaluate import evaluate
from tastemaker.evaluation.results import Evaluation
from tastemaker.models.recommender import Recommender
from tastemaker.models.registry import model_class
from tastemaker.progress import Progress
from tastemaker.ranking.candidates import Draw
from tastemaker.reports.figures import learning_curve
from tastemaker.training.run import DeviceName, TrainingRun, resolve_device
from tastemaker.training.validation import epoch_line


@dataclass(frozen=True)
class Training:
    """One training as specified on the command line."""

    model: str
    settings: dict[str, Any]
    out: Path
    seed: int | None = None
    device: DeviceName = "auto"
    protocol: Literal["auto", "sampled", "full", "candidates"] = "auto"
    negatives: int = 99
    k: tuple[int, ...] = (10,)
    candidate_seed: int = 0
    draw: Draw = "uniform"
    resume: bool = False
    restart: bool = False
    strict: bool = False

    def check(self) -> Recommender:
        """Builds the unfitted model, and raises errors that would otherwise occur only later."""
        artifact.refuse_foreign(self.out, RUN)
        if self.out.parent.exists() and not self.out.parent.is_dir():
            raise ConfigError(f"--out: {self.out.parent} is a file, not a folder")
        if min(self.k) < 1:
            raise ConfigError(f"--k is {min(self.k)}; it must be 1 or more")
        if self.resume and self.restart:
            raise ConfigError(
                "--resume continues a run and --restart discards it; give only one of them"
            )
        resolve_device(self.device)
        return unfitted(self.model, self.settings, self.seed)

    def run(self, split: Split, *, json: bool = False) -> Recommender:
        """Fits, evaluates, saves and shows the result.

        Raises:
            ConfigError: `strict` is set, and the model does not learn from everything in the data.
            typer.Exit: with 130 after a Ctrl-C; the model so far is saved, and its training can be
                resumed if it writes checkpoints.
        """
        model = self.check()
        note_unused([model], split, strict=self.strict)
        finished = finished_run(self.out, model, split) if self.resume else None
        if finished is not None:
            note(f"{self.out}: the run is finished, so there is nothing to resume")
            self._show(finished.model, finished.evaluation, json)
            return finished.model
        identity = identity_of(model, split)
        with unfinished(self.out, identity, resume=self.resume, restart=self.restart) as folder:
            if self.resume:
                note(resume_message(folder))
            try:
                self._fit(model, split, folder)
                evaluation = self._evaluate(model, split)
            except SystemExit:
                note(f"terminated; {resume_hint(folder)}")
                raise
            except KeyboardInterrupt:
                raise KeyboardInterrupt(resume_hint(folder)) from None
            replaced = self.out.exists()
            save_run(self.out, model, evaluation, logs=folder)
            if model.log.interrupted:
                note(self._interrupt_note(model, folder))
            if replaced:
                note(f"the previous run was moved to {self.out}.previous")
            self._show(model, None if evaluation is None else evaluation.to_dict(), json)
            if model.log.interrupted:
                raise typer.Exit(INTERRUPTED)
        return model

    def _interrupt_note(self, model: Recommender, folder: Path) -> str:
        kept = f"epoch {model.log.best_epoch} of {len(model.log.records)} was kept and saved"
        if has_checkpoint(folder):
            return f"interrupted: {kept}; run the same command with --resume to continue"
        return f"interrupted: {kept}; {model.name} writes no checkpoints and cannot be resumed"

    def _fit(self, model: Recommender, split: Split, folder: Path) -> None:
        train = split.train
        note(
            f"training {self.model} on {train.name}: {len(train):,} interactions, "
            f"{train.n_users:,} users, {train.n_items:,} items; held out: {split.method}"
        )
        with progress_bar() as show:

            def on_progress(progress: Progress) -> None:
                show(progress)
                if progress.metrics is not None:
                    note(f"{progress_text(progress)}  {epoch_line(progress.metrics)}")

            run = TrainingRun(self.device, folder, self.resume, on_progress)
            model.fit(split, run)
        if model.log.records:
            learning_curve(
                model.log, f"{self.model} on {train.name}", folder / "learning_curve.png"
            )

    def _evaluate(self, model: Recommender, split: Split) -> Evaluation | None:
        if split.test is None:
            return None
        protocol = make_protocol(
            self.protocol, self.negatives, self.candidate_seed, self.draw, split
        )
        with progress_bar() as show:
            return evaluate(model, split, protocol, k=self.k, on_progress=show)

    def _show(self, model: Recommender, evaluation: dict[str, Any] | None, json: bool) -> None:
        log = model.log
        if json:
            training = {
                "out": str(self.out),
                "model": self.model,
                "epochs": len(log.records),
                "best_epoch": log.best_epoch,
                "elapsed_s": log.elapsed_s,
                "interrupted": log.interrupted,
            }
            print_json((evaluation or {}) | training)
            return
        if evaluation is None:
            note("no interactions were held out, so the model was not evaluated")
        else:
            print_evaluation(evaluation)
        out.print(f"saved to {self.out}", markup=False, soft_wrap=True)


def unfitted(model: str, settings: dict[str, Any], seed: int | None) -> Recommender:
    """The model of that name with its settings; a seed overrides theirs if the model has one.

    Raises:
        ConfigError: there is no such model or setting, or a value is out of range.
    """
    kind = model_class(model)
    if seed is not None and "seed" in kind.config_class.model_fields:
        settings = settings | {"seed": seed}
    return kind(**settings)


def read_settings(config: Path | None, assignments: list[str]) -> dict[str, Any]:
    """Reads settings from a TOML file, overridden by `name=value` assignments.

    Raises:
        ConfigError: the file cannot be read or is not TOML, or an assignment has no "=".
    """
    settings: dict[str, Any] = {}
    if config is not None:
        try:
            settings |= tomllib.loads(config.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{config}: cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{config}: is not TOML: {error}") from None
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set {assignment}: write it as name=value, for example epochs=20")
        settings[name.strip()] = _value(value.strip())
    return settings


def _value(text: str) -> Any:
    """Reads a TOML value, or else text: 20, 0.1, [64, 32], 64,32, none, relu."""
    if text.lower() == "none":
        return None
    if "," in text and not text.startswith("["):
        text = f"[{text.strip('()')}]"
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
