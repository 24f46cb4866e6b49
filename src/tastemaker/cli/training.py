"""The steps that train and demo share: fit with progress, evaluate, save, show."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import typer

from tastemaker.bundle.bundle import RUN, save_run
from tastemaker.bundle.unfinished import flattened, has_checkpoint, has_unfinished, identity_of
from tastemaker.cli.common import INTERRUPTED, note, out, print_json
from tastemaker.cli.evaluating import make_protocol, print_evaluation
from tastemaker.cli.processes import joined_as_started, own_errors_shown, own_place
from tastemaker.cli.progress import progress_bar
from tastemaker.cli.resuming import finished_run, resume_hint, resume_message
from tastemaker.cli.tracking import opened, recorded, refuse_missing
from tastemaker.cluster.folder import shared_training_folder
from tastemaker.cluster.group import Place, in_agreement, leave, require_same, wait_for_all
from tastemaker.data.split import Split
from tastemaker.errors import ConfigError
from tastemaker.evaluation.evaluate import evaluate
from tastemaker.evaluation.protocols import RankingProtocol
from tastemaker.evaluation.results import Evaluation
from tastemaker.experiments.tracking import TrackerName, TrainingRecord
from tastemaker.folders import refuse_other_kind
from tastemaker.models.recommender import Recommender
from tastemaker.models.registry import model_class
from tastemaker.native.library import why_not_compiled
from tastemaker.process_group import process_rank
from tastemaker.progress import Progress
from tastemaker.ranking.candidates import Draw
from tastemaker.training.run import DeviceName, TrainingRun, resolve_device
from tastemaker.training.validation import epoch_line

STARTS_AGAIN = "the same command starts from the beginning"


@dataclass(frozen=True)
class TrainingJob:
    """One training as specified on the command line, and the evaluation after it."""

    model: str
    settings: dict[str, Any]
    run_folder: Path
    seed: int | None = None
    device: DeviceName = "auto"
    protocol: Literal["auto", "sampled", "full", "candidates"] = "auto"
    negatives: int | None = None
    """Number of items that the evaluation samples for each held-out item. The number of negatives
    for training is a setting of the model."""
    k: tuple[int, ...] = (10,)
    candidate_seed: int | None = None
    draw: Draw | None = None
    resume: bool = False
    restart: bool = False
    strict: bool = False
    track: TrackerName | None = None
    has_resume: bool = True
    """Whether the command has the option --resume."""
    local_processes: int = 1
    """Number of processes on this machine that run this job together."""

    def checked_model(self) -> Recommender:
        """Checks the options and returns the unfitted model.

        Raises:
            ConfigError: an option or a setting of the model is invalid.
            UnsupportedError: several processes run this job, which the model does not support; or
                the package of the tracker is not installed.
            ArtifactError: the run folder exists and holds something other than a run.
        """
        refuse_other_kind(self.run_folder, RUN)
        parent = self.run_folder.parent
        if parent.exists() and not parent.is_dir():
            raise ConfigError(f"--out: {parent} is a file, not a folder")
        if min(self.k) < 1:
            raise ConfigError(f"--k is {min(self.k)}; it must be 1 or more")
        if self.resume and self.restart:
            raise ConfigError(
                "--resume continues a run and --restart discards it; give only one of them"
            )
        resolve_device(self.device)
        refuse_missing(self.track)
        model = build_model(self.model, self.settings, self.seed)
        model.refuse_processes()
        return model

    def run(self, split: Split, *, json: bool = False) -> Recommender:
        """Fits the model, evaluates it, saves the run and prints the result.

        The first Ctrl-C after a finished epoch ends the training: the best epoch so far is
        evaluated and saved as the run. Any other Ctrl-C ends the command without a run. In both
        cases checkpoints are kept, if the model writes any, and --resume continues from them.

        If several processes run the job, all of them fit the model. Then process 0 alone evaluates
        and saves it, and the others return.

        Raises:
            ConfigError: `strict` is set, and the model does not learn from everything in the data;
                or an option has no effect on the evaluation.
            SplitError: the protocol is candidates, but the split has none.
            typer.Exit: Ctrl-C ended the training, and the run was saved (exit code 130).
            KeyboardInterrupt: Ctrl-C was pressed, and no run was saved: before the end of the first
                epoch, in the pre-training of a part, a second time, or after the training.
            SystemExit: SIGTERM was received (exit code 143); no run was saved.
        """
        model = self.checked_model()
        protocol = None if split.test is None else self._protocol(split)
        for line in model.notes_on(split.train, strict=self.strict):
            note(line)
        finished = finished_run(self.run_folder, model, split) if self.resume else None
        if finished is not None:
            note(f"{self.run_folder}: the run is finished, so there is nothing to resume")
            self._print_result(finished.model, finished.evaluation, json)
            return finished.model
        # A run can be resumed only with the same model, settings and data.
        identity, rank = identity_of(model, split), process_rank()
        require_same(flattened(identity))
        tracker = opened(self.track if rank == 0 else None)
        with (
            shared_training_folder(
                self.run_folder, identity, resume=self.resume, restart=self.restart
            ) as folder,
            # Inside, so that no record is begun if the folder is refused.
            recorded(tracker, self.run_folder.name, model, split) as record,
        ):
            if self.resume:
                note(resume_message(folder))
            try:
                with own_errors_shown(rank):
                    self._fit(model, split, folder, record)
                wait_for_all()  # process 0 removes the folder, from which the others may still read
                leave()
                if rank > 0:
                    return model
                if self.local_processes > 1:
                    torch.set_num_threads(torch.get_num_threads() * self.local_processes)
                evaluation = self._evaluate(model, split, protocol)
            except SystemExit:
                note(f"terminated; {self._hint(folder)}")
                raise
            except KeyboardInterrupt:
                raise KeyboardInterrupt(self._hint(folder)) from None
            self._save(model, evaluation, folder, record, json)
        return model

    def _save(
        self,
        model: Recommender,
        evaluation: Evaluation | None,
        folder: Path,
        record: TrainingRecord,
        json: bool,
    ) -> None:
        """Saves the run, and prints the result."""
        previous = save_run(self.run_folder, model, evaluation, logs=folder)
        record.finish(model.log, evaluation, self.run_folder)
        if model.log.interrupted:
            note(self._interrupt_note(model, folder))
        if previous is not None:
            note(f"the previous run was moved to {previous}")
        self._print_result(model, None if evaluation is None else evaluation.to_dict(), json)
        if model.log.interrupted:
            raise typer.Exit(INTERRUPTED)

    def _hint(self, folder: Path) -> str:
        return resume_hint(folder) if self.has_resume else STARTS_AGAIN

    def _interrupt_note(self, model: Recommender, folder: Path) -> str:
        n_finished = len(model.log.records)
        kept = f"epoch {model.log.best_epoch} of the {n_finished} finished was kept and saved"
        if not self.has_resume:
            return f"interrupted: {kept}; {STARTS_AGAIN}"
        if has_checkpoint(folder):
            return f"interrupted: {kept}; run the same command with --resume to continue"
        return f"interrupted: {kept}; {model.name} writes no checkpoints and cannot be resumed"

    def _fit(self, model: Recommender, split: Split, folder: Path, record: TrainingRecord) -> None:
        train = split.train
        note(
            f"training {self.model} on {train.name}: {len(train):,} interactions, "
            f"{train.n_users:,} users, {train.n_items:,} items; held out: {split.method}"
        )
        if missing := why_not_compiled():
            note(missing)
        with progress_bar() as update_bar:

            def on_progress(progress: Progress) -> None:
                update_bar(progress)
                record.on_progress(progress)
                if progress.metrics is not None:
                    note(f"{progress.title}  {epoch_line(progress.metrics)}")

            model.fit(split, TrainingRun(self.device, folder, self.resume, on_progress))
        for line in model.log.notes:
            note(line)
        if model.log.records and process_rank() == 0:
            # Imported here, since a model without epochs needs no Matplotlib.
            from tastemaker.reports.figures import learning_curve

            learning_curve(
                model.log, f"{self.model} on {train.name}", folder / "learning_curve.png"
            )

    def _protocol(self, split: Split) -> RankingProtocol:
        return make_protocol(self.protocol, self.negatives, self.candidate_seed, self.draw, split)

    def _evaluate(
        self, model: Recommender, split: Split, protocol: RankingProtocol | None
    ) -> Evaluation | None:
        if protocol is None:
            return None
        with progress_bar() as update_bar:
            return evaluate(model, split, protocol, k=self.k, on_progress=update_bar)

    def _print_result(
        self, model: Recommender, evaluation: dict[str, Any] | None, json: bool
    ) -> None:
        log = model.log
        if json:
            training = {
                "out": str(self.run_folder),
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
        out.print(f"saved to {self.run_folder}", markup=False, soft_wrap=True)


def run_as_started(
    job: TrainingJob,
    read: Callable[[], Split],
    place: Place | None,
    devices: int,
    *,
    json: bool,
    again: bool = False,
) -> None:
    """Runs a job in this process, together with those of the group that it was started in, if any.

    Args:
        job: the job.
        read: reads the data.
        place: the place of this process in the group.
        devices: the option of that name.
        json: whether the result is printed as JSON.
        again: whether the group was started before and lost a process, so that what it has kept is
            continued.
    """
    with joined_as_started(place, job.device, devices, job.run_folder):
        with in_agreement():
            if again:
                job = replace(job, resume=has_unfinished(job.run_folder), restart=False)
            if place is not None:
                job = replace(job, local_processes=place.local_n)
            job.checked_model()  # before the data are read, which may take long
            split = read()
        job.run(split, json=json)


def run_on_ray(job: TrainingJob, read: Callable[[], Split], json: bool, again: bool) -> None:
    """Runs a job in a process that Ray Train has started; see `run_as_started`."""
    run_as_started(job, read, own_place(), 1, json=json, again=again)


def build_model(name: str, settings: dict[str, Any], seed: int | None) -> Recommender:
    """Returns an unfitted model.

    Args:
        name: name of the model.
        settings: values of its settings; the others have their defaults.
        seed: replaces the setting `seed`, if the model has one; None leaves it as it is.

    Raises:
        ConfigError: there is no such model or setting, or a value is invalid.
    """
    model_type = model_class(name)
    if seed is not None and "seed" in model_type.config_class.model_fields:
        settings = settings | {"seed": seed}
    return model_type(**settings)


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
    """Reads a value: in TOML, such as `20`, `0.1` or `[64, 32]`, or else as text, such as `relu`.

    `none` is None. A list may lack its brackets, as in `64,32` and `ease,sasrec`, or have round
    ones.
    """
    if text.lower() == "none":
        return None
    if "," in text and not text.startswith("["):
        return [_value(part.strip()) for part in text.strip("()").split(",") if part.strip()]
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
