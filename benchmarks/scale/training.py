"""One epoch of SASRec: one process with all cores beside several processes that share them.

python benchmarks/scale/training.py DATA [--processes 2] [--rounds 3] [--set length=100 …]

Prints one JSON object: the seconds of an epoch for each number of processes, the best of the
rounds, and their ratio. The first epoch of a run, which includes starting, is not counted, and
neither is validation.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def epoch_s(data: str, n_processes: int, settings: list[str]) -> float:
    """Returns the duration in seconds of the second epoch of a run with n processes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [
            sys.executable, "-m", "tastemaker", "train", data, "--model", "sasrec",
            "--no-validation", "--set", "epochs=2", "--out", str(out),
            "--devices", str(n_processes),
        ]  # fmt: skip
        for setting in settings:
            command += ["--set", setting]
        subprocess.run(command, check=True, capture_output=True)
        with (out / "epochs.csv").open() as file:
            first, second = (float(row["elapsed_s"]) for row in csv.DictReader(file))
    return second - first


def main() -> None:
    """Measures both in turn, so that other load on the machine affects both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=[], help="settings of sasrec: name=value")
    options = parser.parse_args()
    counts = (1, options.processes)
    rounds = [
        {n: epoch_s(options.data, n, options.set) for n in counts} for _ in range(options.rounds)
    ]
    best = {n: min(each[n] for each in rounds) for n in counts}
    print(json.dumps({"epoch_s": best, "ratio": best[1] / best[options.processes]}))


if __name__ == "__main__":
    main()
