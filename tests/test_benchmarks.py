"""The benchmark suite runs: a quick round of our own contenders, without other libraries."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_quick_run_measures_our_own_contenders(tmp_path: Path) -> None:
    data = os.environ.get("TASTEMAKER_DATA", str(tmp_path))
    tasks = ("cross-check", "start-import")
    done = subprocess.run(
        [
            sys.executable, REPOSITORY / "benchmarks" / "bench.py", "--quick", "--repeats", "1",
            "--json", "--root", tmp_path / "root", "--data", data,
            *(argument for task in tasks for argument in ("--only", task)),
        ],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = {result["name"]: result for result in json.loads(done.stdout)["results"]}
    assert set(results) == set(tasks)
    for result in results.values():
        ours = result["rows"][0]
        assert ours["name"] == "Tastemaker"
        assert not ours["failed"]
        assert ours["answers"][0]["seconds"] > 0
