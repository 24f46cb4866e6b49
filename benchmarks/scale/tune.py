"""What a shared storage costs one worker: a search with each kind beside one without.

    python benchmarks/scale/tune.py --trials 20 --repeats 3

The trials are those of EASE on invented data, which take little time, so that the time of the
storage shows. Prints one JSON object: seconds a trial, the median of the repeats, by storage.
`--postgres URL` adds an empty database, which is measured once.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path

import tastemaker as tm
from tastemaker.testing.worlds import two_tastes


def seconds_per_trial(storage: str | None, n_trials: int, folder: Path) -> float:
    """Seconds of a search, opening the storage included, divided by its number of trials."""
    split = tm.leave_one_out(two_tastes())
    started_at = time.perf_counter()
    tm.tune("ease", split, folder / "out", n_trials=n_trials, storage=storage)
    return (time.perf_counter() - started_at) / n_trials


def measured(kind: str, n_trials: int) -> float:
    """Seconds a trial with a new file of this kind, or without a shared storage."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        storages = {
            "none": None,
            "journal": str(folder / "journal.log"),
            "sqlite": f"sqlite:///{folder / 'trials.db'}",
        }
        return seconds_per_trial(storages[kind], n_trials, folder)


def main() -> None:
    """Measures all kinds of storage and prints the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--postgres", metavar="URL", help="an empty database")
    options = parser.parse_args()
    measured("none", 1)  # imports
    times: dict[str, list[float]] = {"none": [], "journal": [], "sqlite": []}
    for _ in range(options.repeats):
        for kind in times:
            times[kind].append(measured(kind, options.trials))
    if options.postgres:
        with tempfile.TemporaryDirectory() as name:
            took = seconds_per_trial(options.postgres, options.trials, Path(name))
        times["postgresql"] = [took]
    print(
        json.dumps(
            {
                "trials": options.trials,
                "repeats": options.repeats,
                "machine": platform.processor() or platform.machine(),
                "seconds_per_trial": {
                    kind: round(statistics.median(each), 4) for kind, each in times.items()
                },
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
