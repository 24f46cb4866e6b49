"""Measures the recipes of a data set with several seeds, and looks at its test.

python benchmarks/quality/measure.py FOLDER amazon-beauty [--models sasrec,ease] [--seeds 5]

FOLDER holds the data sets. Fits on everything but the test, ranks the test, and writes
results/DATA.json and the table of README.md. What is there is not measured again; a model whose
recipe has changed is dropped by removing its lines from the file.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from problems import PROBLEMS, Problem
from table import write_table

import tastemaker as tm

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measures what is missing and writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the data sets are")
    parser.add_argument("data", choices=PROBLEMS, help="which of them")
    parser.add_argument("--models", help="recipes with commas between; all by default")
    parser.add_argument("--seeds", type=int, default=5, help="how many runs a model with a seed")
    arguments = parser.parse_args()
    problem = PROBLEMS[arguments.data]
    path = RESULTS / f"{arguments.data}.json"
    split = problem.final(arguments.folder)
    for name in (arguments.models or ",".join(problem.recipes)).split(","):
        recipe = problem.recipes[name]
        for seed in range(arguments.seeds if has_seed(recipe(0)) else 1):
            known = json.loads(path.read_text()) if path.exists() else []
            if any((run["recipe"], run["seed"]) == (name, seed) for run in known):
                continue
            run = {"recipe": name, "seed": seed} | measure(recipe(seed), split, problem)
            print(json.dumps(run), flush=True)
            RESULTS.mkdir(exist_ok=True)
            # Read again, since another process may have written while this one measured.
            known = json.loads(path.read_text()) if path.exists() else []
            path.write_text(json.dumps([*known, run], indent=1) + "\n")
    write_table(arguments.data, problem, json.loads(path.read_text()))


def has_seed(model: tm.Recommender) -> bool:
    """Whether another seed would give another model."""
    return "seed" in type(model.config).model_fields


def measure(model: tm.Recommender, split: tm.Split, problem: Problem) -> dict[str, Any]:
    """One fit on everything but the test, and its figures on the test."""
    started_at = time.monotonic()
    model.fit(split)
    fit_s = time.monotonic() - started_at
    figures = {
        f"{name} {metric}": value
        for name, protocol in problem.protocols.items()
        for metric, value in tm.evaluate(
            model, split, protocol, k=problem.k, baseline=False
        ).metrics.items()
        if metric in problem.metrics
    }
    return {
        "config": model.config.model_dump(mode="json"),
        **figures,
        "fit_s": round(fit_s, 1),
    }


if __name__ == "__main__":
    main()
