"""What Ray costs on one machine: each verb with --ray beside the same verb without.

    python benchmarks/scale/on_ray.py --repeats 3

A cluster of one node is started once, with as many CPUs as this machine; its start is not counted,
but joining it is. One machine gains nothing from Ray except that trials, models and shards run side
by side, so `recommend` and `train` show the cost. Prints one JSON object: seconds of each command,
the median of the repeats.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ray.cluster_utils import Cluster

import tastemaker as tm
from tastemaker.testing.worlds import two_tastes


def seconds(folder: Path, *typed: object) -> float:
    """Seconds that a command takes, its start included."""
    started_at = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "tastemaker", *map(str, typed)],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return time.perf_counter() - started_at


def commands(n: int) -> dict[str, tuple[object, ...]]:
    """The measured commands, without their --out; `n` makes the folders of a repeat unique."""
    return {
        "tune": ("tune", "clicks.csv", "--model", "ease", "--trials", 20, "--out", f"tune{n}"),
        "compare": (
            "compare", "clicks.csv", "--models", "popularity,itemknn,ease,mf",
            "--out", f"compare{n}",
        ),
        "recommend": ("recommend", "run", "--all", "--out", f"lists{n}.parquet"),
        "train": (
            "train", "clicks.csv", "--model", "sasrec", "--set", "epochs=5", "--devices", 2,
            "--out", f"train{n}",
        ),
    }  # fmt: skip


def measured(folder: Path, repeats: int, address: str) -> dict[str, dict[str, float]]:
    """Median seconds of each verb, plain and on Ray, in turn."""
    times: dict[str, dict[str, list[float]]] = {}
    for repeat in range(repeats):
        for verb, typed in commands(2 * repeat).items():
            of_verb = times.setdefault(verb, {"plain": [], "ray": []})
            of_verb["plain"].append(seconds(folder, *typed))
            on_ray = commands(2 * repeat + 1)[verb]
            of_verb["ray"].append(seconds(folder, *on_ray, "--ray", address))
    return {
        verb: {kind: round(statistics.median(of_kind), 2) for kind, of_kind in of_verb.items()}
        for verb, of_verb in times.items()
    }


def main() -> None:
    """Starts a cluster, measures all verbs and prints the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = two_tastes(options.users, n_items=200)
        data.to_frame().write_csv(folder / "clicks.csv")
        model = tm.EASE(regularization=500, half_life_events=None)
        tm.save_run(folder / "run", model.fit(tm.leave_one_out(data)))
        node = {"num_cpus": os.cpu_count(), "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=node)
        try:
            times = measured(folder, options.repeats, cluster.address)
        finally:
            cluster.shutdown()
    about = {"users": options.users, "repeats": options.repeats, "processor": platform.processor()}
    print(json.dumps(about | {"cpus": os.cpu_count(), "seconds": times}, indent=2))


if __name__ == "__main__":
    main()
