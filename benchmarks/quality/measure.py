"""Measures the recipes on the published split of MovieLens 1M, with several seeds.

python benchmarks/quality/measure.py FOLDER [--models mf,ease] [--seeds 5]

Fits on the whole training file, ranks the test's items among the paper's own candidates, and writes
results/ncf-ml-1m.json and the table of README.md. What is there is not measured again; a model
whose recipe has changed is dropped by removing its lines from the file.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import recipes
from splits import published
from table import write_table

import tastemaker as tm

RESULTS = Path(__file__).parent / "results" / "ncf-ml-1m.json"


def main() -> None:
    """Measures what is missing and writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the split is")
    parser.add_argument("--models", default=",".join(recipes.RECIPES), help="with commas between")
    parser.add_argument("--seeds", type=int, default=5, help="how many runs a model with a seed")
    arguments = parser.parse_args()
    split = published(arguments.folder)
    for name in arguments.models.split(","):
        recipe = recipes.RECIPES[name]
        for seed in range(arguments.seeds if has_seed(recipe(0)) else 1):
            known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
            if any((run["recipe"], run["seed"]) == (name, seed) for run in known):
                continue
            run = {"recipe": name, "seed": seed} | measure(recipe(seed), split)
            print(json.dumps(run), flush=True)
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps([*known, run], indent=1) + "\n")
    write_table(json.loads(RESULTS.read_text()))


def has_seed(model: tm.Recommender) -> bool:
    """Whether another seed would give another model."""
    return "seed" in type(model.config).model_fields


def measure(model: tm.Recommender, split: tm.Split) -> dict[str, Any]:
    """One fit on all of the training file, and its figures on the test."""
    started_at = time.monotonic()
    model.fit(split)
    fit_s = time.monotonic() - started_at
    metrics = tm.evaluate(model, split, tm.CandidateLists(), baseline=False).metrics
    return {
        "config": model.config.model_dump(mode="json"),
        "hit_rate@10": metrics["hit_rate@10"],
        "ndcg@10": metrics["ndcg@10"],
        "fit_s": round(fit_s, 1),
    }


if __name__ == "__main__":
    main()
