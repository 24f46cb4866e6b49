"""Measures how near the defaults of models come to tuned settings, without a look at a test.

python benchmarks/quality/defaults.py FOLDER [--data ml-1m-sequence] [--models ease,itemknn]

FOLDER holds the data sets. Both are fitted without the validation part, which is then ranked.
Writes results/defaults.json and the table of README.md; what is there is not measured again.
"""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from grids import Settings
from problems import PROBLEMS
from table import replace_table

import tastemaker as tm

RESULTS = Path(__file__).parent / "results" / "defaults.json"

TUNED: dict[str, dict[str, Settings]] = {
    "amazon-beauty-held-out": {
        "ease": {"half_life_events": 5, "regularization": 60},
        "ials": {"half_life_events": 1},
        "itemknn": {"half_life_events": 10, "similarity": "cosine", "neighbours": 300},
        "sasrec": {
            "length": 50, "batch_size": 128, "weight_decay": 5e-4, "precision": "bfloat16",
            "epochs": 80, "patience": 8,
        },
    },
    "ml-1m-sequence": {
        "ease": {"half_life_events": 5, "regularization": 60},
        "ials": {"half_life_events": 1},
        "itemknn": {"half_life_events": 5, "similarity": "cosine", "neighbours": 300},
        "sasrec": {
            "length": 200, "embedding_size": 128, "heads": 2, "dropout": 0.3, "batch_size": 32,
            "epochs": 30, "patience": 3, "precision": "bfloat16",
        },
    },
}  # fmt: skip
"""The best settings of each model on the validation part, of all that were tried."""


def main() -> None:
    """Measures what is missing and writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the data sets are")
    parser.add_argument("--data", help="which of them, with commas between; all by default")
    parser.add_argument("--models", help="which, with commas between; all by default")
    arguments = parser.parse_args()
    logging.getLogger("tastemaker").setLevel(logging.WARNING)
    for data in (arguments.data or ",".join(TUNED)).split(","):
        split = PROBLEMS[data].tuning(arguments.folder)
        for model in (arguments.models or ",".join(TUNED[data])).split(","):
            choices: tuple[Settings, ...] = ({}, TUNED[data][model])
            for settings in choices:
                known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
                what = {"data": data, "model": model, "settings": settings}
                if any(what.items() <= run.items() for run in known):
                    continue
                run = what | measure(model, settings, split)
                print(json.dumps(run), flush=True)
                RESULTS.write_text(json.dumps([*known, run], indent=1) + "\n")
    replace_table("defaults", _lines(json.loads(RESULTS.read_text())))


def measure(model: str, settings: Settings, split: tm.Split) -> dict[str, float]:
    """One fit on the split to tune on, and its metrics on the validation part."""
    fitted = tm.model_class(model)(**settings).fit(split)
    result = tm.evaluate(fitted, split, tm.FullRanking(), part="validation", baseline=False)
    return {name: round(result.metrics[name], 4) for name in ("hit_rate@10", "ndcg@10")}


def _lines(runs: list[dict[str, Any]]) -> list[str]:
    """The rows of the table, as far as both sides are measured."""
    lines = [
        "| data | model | NDCG@10 by default | tuned | ratio | tuned settings |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for data, models in TUNED.items():
        for model, settings in models.items():
            own = [run for run in runs if (run["data"], run["model"]) == (data, model)]
            values = {str(run["settings"]): run["ndcg@10"] for run in own}
            if not {str({}), str(settings)} <= values.keys():
                continue
            default, tuned = values[str({})], values[str(settings)]
            shown = ", ".join(f"`{name}={value}`" for name, value in settings.items())
            cells = data, f"`{model}`", f"{default:.4f}", f"{tuned:.4f}", f"{default / tuned:.2f}"
            lines.append("| " + " | ".join((*cells, shown)) + " |")
    return lines


if __name__ == "__main__":
    main()
