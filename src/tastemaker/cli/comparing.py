"""The steps that compare and demo share: compare the models, write the report, show results."""

from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from tastemaker.cli.cold_start import print_cold_start
from tastemaker.cli.common import INTERRUPTED, note, out, print_json
from tastemaker.cli.comparison_progress import ComparisonTable
from tastemaker.cli.leaderboard import print_leaderboard
from tastemaker.cli.tracking import recording
from tastemaker.cli.unused import note_unused
from tastemaker.data.split import Split
from tastemaker.evaluation.cold_start import hold_out_users
from tastemaker.evaluation.leaderboard import Correction
from tastemaker.evaluation.protocols import RankingProtocol
from tastemaker.experiments.comparison import compare, deciding_metric
from tastemaker.experiments.comparison_files import LEADERBOARD, REPORT
from tastemaker.experiments.comparison_result import ComparisonResult
from tastemaker.experiments.comparison_run import ModelWorkers
from tastemaker.experiments.model_runs import EvaluationPlan
from tastemaker.experiments.tracking import TrackerName
from tastemaker.models.recommender import Recommender
from tastemaker.reports.examples import examples
from tastemaker.reports.report import write_report
from tastemaker.training.run import DeviceName

SOME_FAILED = 1
"""Exit code: at least one model failed, and at least one did not."""


def run_comparison(
    models: dict[str, Recommender],
    split: Split,
    folder: Path,
    *,
    protocol: RankingProtocol,
    k: Sequence[int],
    metric: str | None = None,
    correction: Correction = "holm",
    cold_start: bool = False,
    share: bool = False,
    workers: ModelWorkers | None = None,
    device: DeviceName = "auto",
    strict: bool = False,
    track: TrackerName | None = None,
    as_json: bool = False,
) -> None:
    """Runs `experiments.comparison.compare`, writes the report and shows the results.

    Raises:
        ConfigError: `strict` is set, and a model does not learn from everything in the data.
        typer.Exit: with 1 if some models failed, with 130 after a Ctrl-C; results so far are shown.
    """
    if not strict:  # otherwise `compare` refuses what would be noted
        note_unused(models.values(), split)
    with (
        ComparisonTable(deciding_metric(metric, k)) as table,
        recording(track, models, split, folder, table.listener()) as listener,
    ):
        result = compare(
            models, split, folder, protocol=protocol, k=k, metric=metric, correction=correction,
            cold_start=cold_start, share=share, workers=workers, device=device, strict=strict,
            listener=listener,
        )  # fmt: skip
    logs = {label: model.log for label, model in result.models.items()}
    shown_examples = examples(result.models, split)
    write_report(folder / REPORT, result.leaderboard, logs, shown_examples, result.cold_starts)
    if as_json:
        print_json(_json_object(result))
    else:
        print_leaderboard(result.leaderboard)
        if result.cold_starts is not None:
            print_cold_start(result.cold_starts)
        out.print(f"report: {folder / REPORT}", markup=False, soft_wrap=True)
    if result.interrupted:
        note("interrupted; run the same command again to train the missing models")
        raise typer.Exit(INTERRUPTED)
    if result.some_failed:
        raise typer.Exit(SOME_FAILED)


def plan_of(
    read: Callable[[], Split], protocol: RankingProtocol, k: Sequence[int], cold_start: bool
) -> EvaluationPlan:
    """Reads the data of a comparison in another process; see `compare` for the other arguments."""
    split = read()
    return EvaluationPlan(split, protocol, tuple(k), hold_out_users(split) if cold_start else None)


def _json_object(result: ComparisonResult) -> dict[str, object]:
    """The object that --json prints."""
    details: dict[str, object] = {"how": result.how, "interrupted": result.interrupted}
    if result.cold_starts is not None:
        details["cold_start_how"] = result.cold_start_how
    paths = {
        "out": str(result.folder),
        "leaderboard": str(result.folder / LEADERBOARD),
        "report": str(result.folder / REPORT),
    }
    return result.to_dict() | details | paths
