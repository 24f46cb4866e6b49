"""Chooses settings for a data set, without a look at its test.

python benchmarks/quality/search.py FOLDER amazon-beauty [--models sasrec,ease]

FOLDER holds the data sets. Every setting of the grids is fitted without the validation part and
judged by ranking that. The results go to results/DATA-search.json, the best of each model first;
what is there is not tried again.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from grids import EARLIER_DEFAULTS
from problems import PROBLEMS, Problem

import tastemaker as tm

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Tries what was not tried yet and says what it finds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the data sets are")
    parser.add_argument("data", choices=PROBLEMS, help="which of them")
    parser.add_argument("--models", help="which, with commas between; all by default")
    arguments = parser.parse_args()
    problem = PROBLEMS[arguments.data]
    path = RESULTS / f"{arguments.data}-search.json"
    split = problem.tuning(arguments.folder)
    for model in (arguments.models or ",".join(problem.grids)).split(","):
        for settings in problem.grids[model]:
            tried = json.loads(path.read_text()) if path.exists() else {}
            if any(trial["settings"] == settings for trial in tried.get(model, [])):
                continue
            trial = attempt(model, settings, split, problem)
            print(model, json.dumps(trial), flush=True)
            # Read again, since another process may have written while this one tried.
            tried = json.loads(path.read_text()) if path.exists() else {}
            trials = [*tried.get(model, []), trial]
            tried[model] = sorted(trials, key=lambda each: -each[problem.metrics[1]])
            RESULTS.mkdir(exist_ok=True)
            path.write_text(json.dumps(tried, indent=1) + "\n")


def attempt(
    model: str, settings: dict[str, Any], split: tm.Split, problem: Problem
) -> dict[str, Any]:
    """One fit on the split to tune on: its metrics, its best epoch, its seconds."""
    started_at = time.monotonic()
    given = EARLIER_DEFAULTS.get(model, {}) | settings
    fitted = tm.model_class(model)(**given).fit(split)
    fit_s = time.monotonic() - started_at
    protocol = problem.tuned_by or next(iter(problem.protocols.values()))
    k = problem.k
    metrics = tm.evaluate(fitted, split, protocol, k=k, part="validation", baseline=False).metrics
    return {
        "settings": settings,
        **{name: round(metrics[name], 4) for name in (f"recall@{k}", problem.metrics[1])},
        "best_epoch": fitted.log.best_epoch or None,
        "fit_s": round(fit_s, 1),
    }


if __name__ == "__main__":
    main()
