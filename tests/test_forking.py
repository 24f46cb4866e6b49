"""A forked child refuses at once what it would wait for for ever; other processes work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tastemaker.native.library import is_compiled

WORK = """
import json, multiprocessing, os, sys
import numpy as np
import polars as pl
import tastemaker as tm

LOG, RUN = sys.argv[1], sys.argv[2]

def prepare():
    split = tm.leave_one_out(tm.read(LOG))
    model = tm.MF(epochs=1, embedding_size=4).fit(split)
    tm.save_run(RUN, model)
    return split, model

WAYS = {
    "read": lambda: tm.read(LOG),
    "read a dataframe": lambda: tm.read(pl.DataFrame({"user": [1, 2], "item": [3, 4]})),
    "read a catalog": lambda: tm.read_catalog(LOG),
    "split": lambda: tm.leave_one_out(SPLIT.train),
    "to_frame": lambda: SPLIT.train.to_frame(),
    "fit": lambda: tm.MF(epochs=1, embedding_size=4).fit(SPLIT),
    "fit in closed form": lambda: tm.EASE().fit(SPLIT),
    "recommend": lambda: MODEL.recommend([1]),
    "score": lambda: MODEL.score(tm.UserBatch.unseen_users([[1]])),
    "similar": lambda: MODEL.similar_items([1]),
    "evaluate": lambda: tm.evaluate(MODEL, SPLIT, tm.FullRanking(), baseline=False),
    "open": lambda: tm.open_run(RUN),
    "save": lambda: tm.save_run(RUN + "2", MODEL),
    "look at arrays": lambda: SPLIT.train.history(1),
}

def outcome(way):
    try:
        WAYS[way]()
    except tm.TastemakerError as error:
        return f"{type(error).__name__}: {error}"
    return "works"

def in_child(method, ways):
    with multiprocessing.get_context(method).Pool(1) as pool:
        return dict(zip(ways, pool.map_async(outcome, ways).get(timeout=300)))
"""

FORKED = """
SPLIT, MODEL = prepare()
print(json.dumps(in_child("fork", list(WAYS))))
"""

FORKED_BEFORE_WORK = 'print(json.dumps(in_child("fork", ["read", "read a dataframe"])))'

FORKED_AFTER_POLARS_ALONE = """
pl.DataFrame({"a": np.arange(100_000) % 7}).group_by("a").len().sort("a")
print(json.dumps(in_child("fork", ["read"])))
"""

FORKED_AFTER_A_COMPILED_LAYER = """
import torch
from tastemaker.training.kernels.dropout import Dropout

torch.set_num_threads(2)
LAYER, NUMBERS = Dropout(0.5), torch.ones(1 << 20)
WAYS["compiled layer"] = lambda: LAYER(NUMBERS)
assert outcome("compiled layer") == "works"
print(json.dumps(in_child("fork", ["compiled layer"])))
"""

STARTED = """
if __name__ == "__main__":
    tm.read(LOG)
    print(json.dumps(in_child(sys.argv[3], ["read", "read a dataframe"])))
"""


@pytest.fixture
def outcomes(tmp_path: Path):
    """Runs a program in a fresh process and gives what became of each way."""
    log, run, program = tmp_path / "log.csv", tmp_path / "run", tmp_path / "program.py"
    rows = [f"{user},{item},{item}" for user in range(8) for item in range(user % 3, 6)]
    log.write_text("\n".join(["user,item,timestamp", *rows]) + "\n")

    def run_program(text: str, *arguments: str) -> dict[str, str]:
        program.write_text(WORK + text)
        command = [sys.executable, str(program), str(log), str(run), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=330, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run_program


def test_a_child_forked_from_a_working_process_refuses_at_once(outcomes) -> None:
    found = outcomes(FORKED)
    assert found.pop("look at arrays") == "works"
    assert found.keys() >= {"read", "fit", "recommend", "evaluate", "open"}
    for way, outcome in found.items():
        assert outcome.startswith("UnsupportedError: this process was forked"), way
        assert "spawn" in outcome, way
        assert "forkserver" in outcome, way


def test_a_child_forked_before_any_work_works(outcomes) -> None:
    assert set(outcomes(FORKED_BEFORE_WORK).values()) == {"works"}


def test_a_process_that_used_polars_alone_counts_as_working(outcomes) -> None:
    assert outcomes(FORKED_AFTER_POLARS_ALONE)["read"].startswith("UnsupportedError")


def test_a_forked_child_does_not_wait_for_the_threads_of_its_parent(outcomes) -> None:
    if not is_compiled():
        pytest.skip("compiled on installing, where there is a compiler")
    assert outcomes(FORKED_AFTER_A_COMPILED_LAYER) == {"compiled layer": "works"}


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_child_processes_work(outcomes, method: str) -> None:
    assert set(outcomes(STARTED, method).values()) == {"works"}
