"""The benchmark suite runs without other libraries, and compares machines by the worst of them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Returns the modules of benchmarks/harness by their names."""
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    yield lambda name: import_module(f"harness.{name}")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("harness", "tasks")]:
        del sys.modules[name]


def overview(harness: Any, **seconds: tuple[float | None, float | None]) -> str:
    """The page of machines that took so many seconds, ours and a peer's; -2 gave up."""
    results, task, claims = harness("results"), harness("task"), harness("claims")
    peer = task.Contender("peer", "peer.py", aims=(task.Aim("times", 3),))
    work = task.Task("work", "Work", "work", "units", (task.Contender("ours", "ours.py"), peer))
    runs = {}
    for machine, both in seconds.items():
        rows = []
        for contender, value in zip(work.contenders, both, strict=True):
            row = results.Row(contender.name, failed=None if value else "failed")
            if value:
                answer = {"seconds": abs(value), "work": 1, "peak_mib": 1, "reached": value > 0}
                row.answers = [answer]
            rows.append(row)
        run = results.Run({"cpu": machine, "cores": 2}, [results.Result.of(work, rows)])
        run.judge_by({"work": work})
        runs[machine] = run
    return claims.overview(runs, {"work": work})


def test_the_committed_comparison_is_that_of_the_tasks_and_their_aims(harness: Any) -> None:
    tasks, folder, claims = (
        import_module("tasks").TASKS,
        harness("results").RESULTS,
        harness("claims"),
    )
    page = claims.overview(claims.read_all(folder, tasks), tasks)
    assert page == (folder / "README.md").read_text(), "run: python benchmarks/bench.py --pages"


def test_the_worst_machine_decides_whether_an_aim_is_reached(harness: Any) -> None:
    reached = overview(harness, fast=(1, 4), slow=(1, 3.5))
    assert "1 of 1 aims are reached on every machine" in reached
    assert "| peer | 4× | 3.5× | 3×: reached |" in reached
    missed = overview(harness, fast=(1, 4), slow=(1, 2))
    assert "- Work, peer: missed (2×, aim 3×)" in missed
    assert "| peer | 4× | 2× | 3×: missed |" in missed


def test_a_machine_without_a_value_does_not_reach_an_aim(harness: Any) -> None:
    for page in (
        overview(harness, a=(1, 4), b=(None, 4)),
        overview(harness, a=(1, 4), b=(1, None)),
    ):
        assert (
            "0 of 1 aims are reached on every machine, and 1 more on those that measured them."
            in page
        )
        assert "| peer | 4× | – | 3×: reached where it was measured |" in page
    assert "3×: not measured" in overview(harness, a=(None, 4), b=(1, None))


def test_a_contender_that_gave_up_takes_at_least_so_long(harness: Any) -> None:
    page = overview(harness, a=(1, 4), b=(1, -2))
    assert "| peer | 4× | ≥ 2× | 3×: not measured |" in page
    assert "| peer | 4× | ≥ 5× | 3×: reached |" in overview(harness, a=(1, 4), b=(1, -5))


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", "intel-xeon-6-85-with-2-cores"),
        ("AMD EPYC 9R14 96-Core Processor", "amd-epyc-9r14-96-core-6-85-with-2-cores"),
    ],
)
def test_a_machine_is_named_after_its_processor(harness: Any, cpu: str, expected: str) -> None:
    assert harness("machine").name_of(cpu, "6", "85", 2) == expected


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
