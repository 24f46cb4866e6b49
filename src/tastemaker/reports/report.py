"""The report of a comparison: one self-contained HTML file."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from tastemaker.errors import ConfigError
from tastemaker.evaluation.cold_start_results import ColdStartResults
from tastemaker.evaluation.leaderboard import Leaderboard
from tastemaker.folders import replacing
from tastemaker.reports.examples import Example
from tastemaker.reports.page import page
from tastemaker.training.run import TrainingLog


def write_report(
    path: Path,
    leaderboard: Leaderboard,
    logs: dict[str, TrainingLog],
    examples: Sequence[Example],
    cold_starts: ColdStartResults | None = None,
) -> None:
    """Writes the report; the same input gives the same bytes.

    Args:
        path: the .html file to write; it appears only when it is complete.
        leaderboard: the results of the models.
        logs: the training logs, by the names of the leaderboard; those of models without epochs may
            be left out or empty.
        examples: the example users to show; may be empty.
        cold_starts: the results of the models for unseen users, if they were evaluated.

    Raises:
        ConfigError: the path is a folder, or its folder does not exist.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; give the path of a file")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: the folder {path.parent} does not exist")
    text = (
        _environment()
        .get_template("report.html.jinja")
        .render(page=page(leaderboard, logs, examples, cold_starts))
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("tastemaker.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
