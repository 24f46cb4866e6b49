"""The service under load, beside the least that FastAPI can do, on one core.

python benchmarks/serving/serve.py [--model sasrec] [--items 27000] [--repeats 5]

Makes a run of generated data, serves it on the first core and sends requests from the second. Bare
and served throughput take turns; the ratio is of the medians. Writes results/serving.json and
results/latency.png beside this file.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx2
import matplotlib.pyplot as plt
import numpy as np
from load import Load, as_fast_as_possible, request, steadily
from world import make_run

HERE = Path(__file__).parent
RESULTS = HERE / "results"
CONNECTIONS = 16
RATE = 300
FIRST_S = 2.0
"""Duration after the start that is reported separately: threads and connections are new."""
STEADY_S = 15.0
BURST_S = 3.0
N_USERS = 5_000
HOT_USERS = 200


def main() -> None:
    """Measures and writes the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="sasrec")
    parser.add_argument("--items", type=int, default=27_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        make_run(run, arguments.model, arguments.items, N_USERS)
        keep_to(1)
        # The generator's own pauses are not the service's.
        gc.collect()
        gc.freeze()
        figures = measured(run, arguments.repeats)
    figures = {"model": arguments.model, "n_items": arguments.items, "machine": machine()} | figures
    latencies = figures.pop("latencies_ms")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "serving.json").write_text(json.dumps(figures, indent=1) + "\n")
    picture(latencies, RESULTS / "latency.png")
    print(json.dumps(figures, indent=1))


def measured(run: Path, repeats: int) -> dict[str, Any]:
    """All figures of one run."""
    lists = [request("GET", f"/v1/users/{user}/recommendations") for user in range(N_USERS)]
    random = np.random.default_rng(0)
    with bare_route() as bare_port, served(run) as (port, started_s, pid):
        in_order = random.permutation(lists).tolist()
        first = steadily(port, in_order[: int(RATE * FIRST_S)], 32, RATE, FIRST_S)
        steady = steadily(port, in_order[int(RATE * FIRST_S) :], 32, RATE, STEADY_S)
        after_events = with_events(port, random)
        bare, cached, batches = [], [], []
        for repeat in range(repeats):
            bare.append(burst(bare_port, [request("GET", "/ten")]))
            cached.append(burst(port, lists[:HOT_USERS]))
            batches.append(burst(port, event_batches(repeat)))
        memory_mib = resident_mib(pid)
    ratio = statistics.median(each.rate for each in cached) / statistics.median(
        each.rate for each in bare
    )
    return {
        "ready_after_s": round(started_s, 2),
        "memory_mib": round(memory_mib),
        "first_two_seconds": summary(first),
        "steady": summary(steady),
        "steady_with_an_event_for_every_list": summary(after_events),
        "bare_per_s": [round(load.rate) for load in bare],
        "lists_at_hand_per_s": [round(load.rate) for load in cached],
        "ratio_to_bare": round(ratio, 3),
        "events_per_s": [round(load.rate * 100) for load in batches],
        "latencies_ms": {
            f"a known user, {RATE} a second": [1000 * s for s in steady.latencies_s],
            "the same, each list after a new event": [1000 * s for s in after_events.latencies_s],
        },
    }


def with_events(port: int, random: np.random.Generator) -> Load:
    """Lists of users each of whom has a new event, so that none is cached."""
    users = random.permutation(N_USERS)[: int(RATE / 2 * STEADY_S)]
    pairs: list[bytes] = []
    for user in users.tolist():
        event = {"user_id": user, "item_id": int(random.integers(0, 20_000))}
        pairs.append(request("POST", "/v1/events", json.dumps(event).encode()))
        pairs.append(request("GET", f"/v1/users/{user}/recommendations"))
    return steadily(port, pairs, 32, RATE, STEADY_S)


def event_batches(repeat: int) -> list[bytes]:
    """Batches of 100 new events."""
    batches = [
        {
            "events": [
                {"user_id": 100_000 + batch, "item_id": n, "event_id": f"{repeat}-{batch}-{n}"}
                for n in range(100)
            ]
        }
        for batch in range(2_000)
    ]
    return [request("POST", "/v1/events", json.dumps(batch).encode()) for batch in batches]


def burst(port: int, requests: list[bytes]) -> Load:
    """Sends requests as fast as they are answered, for some seconds."""
    load = as_fast_as_possible(port, cycle(requests), CONNECTIONS, BURST_S)
    assert set(load.statuses) == {200}, load.statuses
    return load


def summary(load: Load) -> dict[str, Any]:
    """Percentiles in milliseconds."""
    p50, p90, p99 = np.percentile(1000 * np.array(load.latencies_s), [50, 90, 99])
    return {
        "n": len(load.latencies_s),
        "per_s": round(load.rate),
        "p50_ms": round(float(p50), 2),
        "p90_ms": round(float(p90), 2),
        "p99_ms": round(float(p99), 2),
        "statuses": load.statuses,
    }


@contextmanager
def bare_route() -> Iterator[int]:
    """The bare route, on its port."""
    port = 8931
    with process([sys.executable, str(HERE / "bare.py"), str(port)]):
        wait_for(f"http://127.0.0.1:{port}/ten")
        yield port


@contextmanager
def served(run: Path, *options: str) -> Iterator[tuple[int, float, int]]:
    """The service: its port, how long it took to be ready, and its process."""
    port = 8932
    command = [sys.executable, "-m", "tastemaker.cli.main", "serve", str(run), "--port", str(port)]
    started_at = time.monotonic()
    with process([*command, "--logs", "json", *options]) as pid:
        wait_for(f"http://127.0.0.1:{port}/readyz")
        yield port, time.monotonic() - started_at, pid


@contextmanager
def process(command: list[str]) -> Iterator[int]:
    """A process on the first core, ended afterwards."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {0}),
    ) as started:  # fmt: skip
        try:
            yield started.pid
        finally:
            started.terminate()
            started.wait()


def keep_to(core: int) -> None:
    """Keeps this process on one core."""
    os.sched_setaffinity(0, {core})


def wait_for(url: str) -> None:
    """Waits until a URL responds with 200."""
    while True:
        try:
            if httpx2.get(url).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.02)


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


def machine() -> dict[str, Any]:
    """The processor and the version of Python."""
    names = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {"cpu": names[0] if names else platform.processor(), "cores": os.cpu_count(),
            "python": platform.python_version()}  # fmt: skip


def picture(latencies_ms: dict[str, list[float]], path: Path) -> None:
    """How many answers took how long; dotted, the 99th percentiles."""
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    bins = np.geomspace(0.3, 300, 90).tolist()
    for name, values in latencies_ms.items():
        axes.hist(values, bins, histtype="step", linewidth=1.6, label=name)
        axes.axvline(float(np.percentile(values, 99)), linestyle=":", linewidth=1)
    axes.axvline(10, color="#888888", linewidth=0.8)
    axes.text(10.4, axes.get_ylim()[1] * 0.9, "10 ms", color="#666666", fontsize=8)
    axes.set(xscale="log", xlabel="milliseconds from when it was due", ylabel="answers")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=144)


if __name__ == "__main__":
    main()
