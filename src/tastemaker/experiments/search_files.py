"""The result files of a search: the best settings as TOML, and all trials as CSV."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from tastemaker.experiments.search import Search
from tastemaker.experiments.trials import Trial
from tastemaker.folders import replacing

BEST, TRIALS = "best.toml", "trials.csv"


def write_best(path: Path, spec: Search, best: Trial, n_trials: int) -> None:
    """Writes all settings of the best trial, as `tastemaker train --config` takes them.

    Epochs and patience are written as they were configured: training again stops where the trial
    stopped, or later if there are more data. TOML has no null, so a setting that is None is left
    out.
    """
    train = spec.split.train
    name = " ".join(train.name.split())
    config = spec.configured(best.settings).config.model_dump(mode="json")
    protocol = spec.protocol.describe(train.rules)
    lines = [
        f"# {spec.model} on {name} ({train.fingerprint}), {spec.split.method}",
        f"# {spec.metric} on the validation part: {best.value:.4f}, {protocol}",
        f"# trial {best.number} of {n_trials}, seed {spec.seed}",
        *_lines(config),
    ]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_trials(path: Path, trials: Sequence[Trial]) -> None:
    """Writes one row for each trial."""
    with replacing(path) as temporary:
        pl.DataFrame([trial.flat() for trial in trials], infer_schema_length=None).write_csv(
            temporary
        )


def _lines(config: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yields one line for each setting; those of a nested config as `gmf.epochs = 20`."""
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name} = {_toml(value)}"


def _toml(value: Any) -> str:
    """Formats a scalar or a list as TOML, which for these is the same as JSON."""
    return json.dumps(value, ensure_ascii=False)
