"""Chooses settings for the published split of MovieLens 1M, without a look at its test.

python benchmarks/quality/search.py FOLDER [--models mf,ease]

Every setting of the grids is fitted on the training file without three random interactions of each
user, and judged by ranking those among 99 items that the user never touched, as the test does. The
results go to results/search.json, the best of each model first; what is there is not tried again.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from grids import GRIDS
from splits import for_tuning

import tastemaker as tm

RESULTS = Path(__file__).parent / "results" / "search.json"


def main() -> None:
    """Tries what was not tried yet and says what it finds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where train.parquet is")
    parser.add_argument("--models", default=",".join(GRIDS), help="which, with commas between")
    arguments = parser.parse_args()
    split = for_tuning(arguments.folder)
    for model in arguments.models.split(","):
        for settings in GRIDS[model]:
            tried = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            if any(trial["settings"] == settings for trial in tried.get(model, [])):
                continue
            trial = attempt(model, settings, split)
            print(model, json.dumps(trial), flush=True)
            trials = [*tried.get(model, []), trial]
            tried[model] = sorted(trials, key=lambda each: -each["ndcg@10"])
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(tried, indent=1) + "\n")


def attempt(model: str, settings: dict[str, Any], split: tm.Split) -> dict[str, Any]:
    """One fit on the inner split: its metrics, its best epoch if it has epochs, its seconds."""
    started_at = time.monotonic()
    fitted = tm.model_class(model)(**settings).fit(split)
    fit_s = time.monotonic() - started_at
    protocol = tm.SampledRanking(99)
    metrics = tm.evaluate(fitted, split, protocol, part="validation", baseline=False).metrics
    return {
        "settings": settings,
        "recall@10": round(metrics["recall@10"], 4),
        "ndcg@10": round(metrics["ndcg@10"], 4),
        "best_epoch": fitted.log.best_epoch or None,
        "fit_s": round(fit_s, 1),
    }


if __name__ == "__main__":
    main()
