"""Preparing data on disk beside reading them in memory: seconds, memory and size on disk.

    python benchmarks/scale/prepare.py FOLDER [--rows 100000000] [--memory 4GiB] [--format parquet]

The rows are drawn from a seed and written block by block, so that any number of them can be made:
text ids of users, a twentieth of the rows in number; integer ids of 200,000 items, popular ones
more often; times of two years; no order. Each measurement is a process of its own. The results are
printed as one JSON object.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

ROWS_PER_FILE = 5_000_000
N_ITEMS = 200_000
MEASURED = {
    "prepare": "tm.prepare({source!r}, {out!r}, memory={memory!r})",
    "read in memory": "tm.read({source!r})",
    "open the prepared folder": "tm.read({out!r})",
    "hold out from the prepared folder": "tm.leave_one_out(tm.read({out!r})).train",
    "hold out from the data in memory": "tm.leave_one_out(tm.read({source!r})).train",
}
"""A name and an expression that gives a data set."""


def generate(folder: Path, n_rows: int, form: str) -> None:
    """Writes the rows to files of at most ROWS_PER_FILE rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, n_rows, ROWS_PER_FILE)):
        n = min(ROWS_PER_FILE, n_rows - start)
        random = np.random.default_rng(number)
        users = pl.Series("user", random.integers(0, max(n_rows // 20, 1), n))
        frame = pl.DataFrame(
            {
                "user": users.cast(pl.String).str.zfill(12),
                "item": (N_ITEMS * random.random(n) ** 3).astype(np.int64),
                "timestamp": random.integers(1_700_000_000, 1_763_072_000, n),
            }
        )
        path = folder / f"part-{number:04}.{form}"
        frame.write_csv(path) if form == "csv" else frame.write_parquet(path)


def measure(expression: str) -> dict[str, Any]:
    """Runs an expression in a new process; returns seconds, peak memory and rows, or the error."""
    script = (
        "import json, logging, re, time\n"
        "import tastemaker as tm\n"
        "logging.getLogger('tastemaker').setLevel('WARNING')\n"
        "started_at = time.perf_counter()\n"
        f"data = {expression}\n"
        "seconds = time.perf_counter() - started_at\n"
        # The figure of getrusage would include the parent process.
        "status = open('/proc/self/status').read()\n"
        "peak_mib = int(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1]) / 1024\n"
        "print(json.dumps({'seconds': seconds, 'peak_mib': peak_mib, 'rows': len(data)}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        return {"error": last, "exit_code": done.returncode}
    return json.loads(done.stdout)


def size_mib(folder: Path) -> float:
    """The size of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir()) / 2**20


def main() -> None:
    """Generates the data unless they are there, and measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--memory", default="4GiB")
    parser.add_argument("--format", choices=("parquet", "csv"), default="parquet")
    given = parser.parse_args()
    source = given.folder / f"rows-{given.rows}-{given.format}"
    out = given.folder / f"prepared-{given.rows}-{given.format}"
    if not source.exists():
        partial = source.with_suffix(".partial")
        generate(partial, given.rows, given.format)
        partial.rename(source)
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    results: dict[str, Any] = {
        "rows": given.rows,
        "memory": given.memory,
        "source_mib": size_mib(source),
        "machine": cpu[1] if cpu else platform.processor(),
        "measured_at": time.strftime("%Y-%m-%d"),
    }
    for name, expression in MEASURED.items():
        filled = expression.format(source=str(source), out=str(out), memory=given.memory)
        results[name] = measure(filled)
        print(name, results[name], file=sys.stderr)
    results["prepared_mib"] = size_mib(out)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
