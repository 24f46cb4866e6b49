"""tastemaker index: builds, measures, and is searched by recommend --approximate."""

import importlib.util
from pathlib import Path

import pytest

import tastemaker as tm
from tests.cli.conftest import Terminal

pytestmark = pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="needs faiss")


@pytest.fixture(scope="module")
def run(clicks: Path) -> Path:
    path = clicks.with_name("mf")
    tm.save_run(path, tm.MF(epochs=2, embedding_size=8).fit(tm.leave_one_out(tm.read(clicks))))
    return path


def test_the_index_is_built_measured_and_searched(tastemaker: Terminal, run: Path) -> None:
    report = tastemaker.json("index", run, "--users", 20, "--seed", 3, "-k", 5)
    assert report["n_items"] == 40
    assert report["n_users"] == 20
    assert 0.9 < report["recall@5"] <= 1
    assert min(report["latency_ms"], report["exact_latency_ms"], report["build_s"]) > 0
    assert {path.name for path in (run / "index").iterdir()} == {
        "graph.safetensors", "index.json", "manifest.json",
    }  # fmt: skip
    ask = ("recommend", run, "--user", 3, "--user", 4, "-k", 4)
    found = tastemaker.json(*ask, "--approximate")["recommendations"]
    exact = tastemaker.json(*ask)["recommendations"]
    assert [row["item_id"] for row in found] == [row["item_id"] for row in exact]


def test_a_table_compares_both_searches_and_warns_if_the_index_does_not_pay_off(
    tastemaker: Terminal, run: Path
) -> None:
    code, out, err = tastemaker("index", run)
    assert code == 0
    for expected in ("exact", "approximate", "recall@10", "ms a user"):
        assert expected in out
    assert "exact search is fast enough" in err


def test_a_retrained_run_has_no_index_of_the_old_weights(
    tastemaker: Terminal, run: Path, clicks: Path
) -> None:
    tastemaker.json("index", run)
    tm.save_run(run, tm.MF(epochs=1, embedding_size=8).fit(tm.leave_one_out(tm.read(clicks))))
    code, _, err = tastemaker("recommend", run, "--user", 3, "--approximate")
    assert code == 2
    assert "has no index yet" in err


def test_a_damaged_index_is_refused(tastemaker: Terminal, run: Path) -> None:
    tastemaker.json("index", run)
    graph = run / "index" / "graph.safetensors"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\x01")
    code, _, err = tastemaker("recommend", run, "--user", 3, "--approximate")
    assert code == 2
    assert "does not have the recorded checksum" in err


def test_a_model_whose_scores_are_no_inner_products_is_refused(
    tastemaker: Terminal, clicks: Path
) -> None:
    path = clicks.with_name("knn")
    tm.save_run(path, tm.ItemKNN().fit(tm.leave_one_out(tm.read(clicks))))
    code, out, err = tastemaker("index", path)
    assert (code, out) == (2, "")
    assert "itemknn does not support approximate search" in err
    assert len(err.strip().splitlines()) == 1
