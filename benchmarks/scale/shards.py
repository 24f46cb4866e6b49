"""Lists for all users in shards, beside one command for all: seconds, and memory of each process.

    python benchmarks/scale/shards.py FOLDER [--users 200000] [--shards 64] [--model mf]

The processes run one after another. The run is made in FOLDER at the first call, and kept. Prints a
JSON object.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import tastemaker as tm

N_ITEMS = 10_000
PER_USER = 30


def make_run(path: Path, model: str, n_users: int) -> None:
    """Trains one epoch on generated data and saves the run; what is learned does not matter."""
    random = np.random.default_rng(0)
    users = np.repeat(np.arange(n_users), PER_USER)
    items = (N_ITEMS * random.random(len(users)) ** 2.0).astype(np.int64)
    frame = pl.DataFrame({"user_id": users, "item_id": items, "timestamp": np.arange(len(users))})
    kind = tm.model_class(model)
    settings: dict[str, Any] = {"epochs": 1} if "epochs" in kind.config_class.model_fields else {}
    tm.save_run(path, kind(**settings).fit(tm.no_holdout(tm.read(frame))))


def apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function in a new process.

    Linux counts the memory of the process that starts another as the other's, so this one must stay
    small.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def timed(*arguments: object) -> tuple[float, float]:
    """Runs the command line in a process of its own: seconds, and its peak memory in MiB."""
    command = [sys.executable, "-m", "tastemaker.cli.main", *map(str, arguments)]
    started_at = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - started_at, usage.ru_maxrss / 1024


def in_one_process(run: Path, folder: Path, n_shards: int) -> float:
    """Seconds of all shards with one opened run, without the start of the process."""
    started_at = time.perf_counter()
    bundle = tm.open_run(run, memory_map=True)
    for shard in range(1, n_shards + 1):
        tm.recommend_shard(bundle, shard, n_shards, folder)
    return time.perf_counter() - started_at


def measure(folder: Path, model: str, n_users: int, n_shards: int) -> dict[str, Any]:
    """Compares one command, a process for each shard, and one process for all shards."""
    run, lists = folder / f"{model}-{n_users}", folder / "lists"
    if not run.exists():
        apart(make_run, run, model, n_users)
    shutil.rmtree(lists, ignore_errors=True)
    whole_s, whole_mib = timed("recommend", run, "--all", "--out", folder / "whole.parquet")
    shards = [
        timed("recommend", run, "--all", "--shard", f"{shard}/{n_shards}", "--out", lists)
        for shard in range(1, n_shards + 1)
    ]
    merge_s, merge_mib = timed("shards", lists, "--merge", folder / "merged.parquet")
    same = pl.read_parquet(folder / "whole.parquet").equals(
        pl.read_parquet(folder / "merged.parquet")
    )
    shutil.rmtree(lists)
    return {
        "model": model,
        "users": n_users,
        "shards": n_shards,
        "one command": {"seconds": whole_s, "peak_mib": whole_mib},
        "a process for each shard": {
            "seconds": sum(seconds for seconds, _ in shards),
            "seconds_each": sum(seconds for seconds, _ in shards) / n_shards,
            "peak_mib": max(mib for _, mib in shards),
        },
        "merge": {"seconds": merge_s, "peak_mib": merge_mib},
        "one process for all shards": {"seconds": apart(in_one_process, run, lists, n_shards)},
        "lists_are_equal": same,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--shards", type=int, default=64)
    parser.add_argument("--model", default="mf")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(measure(given.folder, given.model, given.users, given.shards), indent=2))
