"""Lists a second of several models, by reads alone and with a fifth of writes, on one core.

python benchmarks/serving/throughput.py [--models ncf mf] [--database postgresql+psycopg://…]

Serves runs of generated data (27,000 items, 5,000 users) one after the other on the first core; 8
connections from the second ask for lists as fast as answers come. "new" is one list of each user,
none of which is cached; "again" are lists of random users, all of which were made before; "mixed"
has events of random users among them. Each model needs a database of its own. Adds a row for each
model and kind of database to results/throughput.json beside this file.
"""

import argparse
import gc
import json
import math
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from load import Load, as_fast_as_possible, request
from serve import RESULTS, keep_to, machine, resident_mib, served
from world import make_run

CONNECTIONS = 8
AGAIN_S = 20.0
MIXED_S = 20.0
N_USERS = 5_000
N_ITEMS = 27_000
WRITES = 0.2
"""Fraction of events among the requests of the mixed load."""


def main() -> None:
    """Measures and writes the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["ease", "mf", "sasrec", "ncf"])
    parser.add_argument("--database", help="its URL; by default SQLite beside the run")
    arguments = parser.parse_args()
    keep_to(1)
    path = RESULTS / "throughput.json"
    table = json.loads(path.read_text()) if path.exists() else {}
    for model in arguments.models:
        kind = re.split(r"[:+]", arguments.database or "sqlite")[0]
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            make_run(run, model, N_ITEMS, N_USERS)
            gc.collect()
            gc.freeze()
            figures = measured(run, arguments.database)
        print(f"{kind} {model}", json.dumps(figures), flush=True)
        table[f"{kind} {model}"] = {"machine": machine()} | figures
        RESULTS.mkdir(exist_ok=True)
        path.write_text(json.dumps(table, indent=1) + "\n")


def measured(run: Path, database: str | None) -> dict[str, Any]:
    """All figures of one run."""
    random = np.random.default_rng(0)
    extra = ["--database", database] if database else []
    with served(run, *extra) as (port, _, pid):
        new = lists(random.permutation(N_USERS))
        again = lists(random.integers(0, N_USERS, 200_000))
        return {
            "new": measure(port, pid, new, math.inf),
            "again": measure(port, pid, again, AGAIN_S),
            "mixed": measure(port, pid, with_writes(random), MIXED_S),
            "memory_mib": round(resident_mib(pid)),
        }


def measure(port: int, pid: int, requests: list[bytes], duration_s: float) -> dict[str, float]:
    """Figures of requests that are sent as fast as they are answered, for some seconds."""
    before_s = processor_s(pid)
    load = as_fast_as_possible(port, requests, CONNECTIONS, duration_s)
    each_ms = 1000 * (processor_s(pid) - before_s) / len(load.latencies_s)
    assert set(load.statuses) == {200}, load.statuses
    return summary(load) | {"processor_ms": round(each_ms, 2)}


def processor_s(pid: int) -> float:
    """Processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lists(users: np.ndarray) -> list[bytes]:
    """Requests for the lists of users."""
    return [request("GET", f"/v1/users/{user}/recommendations?k=10") for user in users.tolist()]


def with_writes(random: np.random.Generator) -> list[bytes]:
    """Lists of random users, and events of others in between."""
    users = random.integers(0, N_USERS, 100_000)
    requests = lists(users)
    for place in np.flatnonzero(random.random(len(users)) < WRITES).tolist():
        event = {"user_id": int(users[place]), "item_id": int(random.integers(0, N_ITEMS))}
        requests[place] = request("POST", "/v1/events", json.dumps(event).encode())
    return requests


def summary(load: Load) -> dict[str, float]:
    """Answers a second, and percentiles in milliseconds."""
    p50, p99 = np.percentile(1000 * np.array(load.latencies_s), [50, 99])
    return {
        "per_s": round(load.rate),
        "p50_ms": round(float(p50), 1),
        "p99_ms": round(float(p99), 1),
        "max_ms": round(1000 * max(load.latencies_s), 1),
    }


if __name__ == "__main__":
    main()
