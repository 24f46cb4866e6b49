"""Measures the recipes of a data set with several seeds, and looks at its test.

python benchmarks/quality/measure.py FOLDER amazon-beauty [--models sasrec,ease] [--seeds 5]

FOLDER holds the data sets. Fits on everything but the test, ranks the test, and writes
results/DATA.json and the table of README.md. What is there is not measured again; a model whose
recipe has changed is dropped by removing its lines from the file. A fitted blend also gives the
results of its parts, if they are recipes.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

from problems import PROBLEMS, Problem
from table import Run, write_table

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
        for seed in range(arguments.seeds if has_seed(problem.recipes[name](0)) else 1):
            if _is_known(path, name, seed):
                continue
            for run in measure(name, seed, split, problem):
                print(json.dumps(run), flush=True)
                # Read again, since another process may have written while this one measured.
                if not _is_known(path, run["recipe"], seed):
                    _add(path, run)
    write_table(arguments.data, problem, _known(path))


def has_seed(model: tm.Recommender) -> bool:
    """Whether another seed would give another model."""
    return "seed" in type(model.config).model_fields


def measure(name: str, seed: int, split: tm.Split, problem: Problem) -> Iterator[Run]:
    """One fit on everything but the test: its result, and those of the parts of a blend."""
    model = problem.recipes[name](seed)
    started_at = time.monotonic()
    model.fit(split)
    yield _run(name, seed, model, split, problem, time.monotonic() - started_at)
    for part in model.parts.values() if isinstance(model, tm.Blend) else ():
        for part_name in problem.recipes if part.log.records else ():
            recipe = problem.recipes[part_name](seed)
            if (recipe.name, recipe.config) == (part.name, part.config):
                seconds = float(part.log.records[-1]["elapsed_s"])
                yield _run(part_name, seed, part, split, problem, seconds)


def _run(
    name: str, seed: int, model: tm.Recommender, split: tm.Split, problem: Problem, fit_s: float
) -> Run:
    """The figures of a fitted model on the test."""
    figures = {
        f"{protocol_name} {metric}": value
        for protocol_name, protocol in problem.protocols.items()
        for metric, value in tm.evaluate(
            model, split, protocol, k=problem.k, baseline=False
        ).metrics.items()
        if metric in problem.metrics
    }
    return {
        "recipe": name,
        "seed": seed,
        "config": model.config.model_dump(mode="json"),
        **figures,
        "fit_s": round(fit_s, 1),
    }


def _known(path: Path) -> list[Run]:
    return json.loads(path.read_text()) if path.exists() else []


def _is_known(path: Path, name: str, seed: int) -> bool:
    return any((run["recipe"], run["seed"]) == (name, seed) for run in _known(path))


def _add(path: Path, run: Run) -> None:
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps([*_known(path), run], indent=1) + "\n")


if __name__ == "__main__":
    main()
