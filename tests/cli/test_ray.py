"""--ray: verbs on a cluster of two nodes, which are processes on this machine."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

import tastemaker as tm
from tests.cli.conftest import Begin, Terminal
from tests.processes import Command

pytest.importorskip("ray", reason="needs the package ray: pip install 'tastemaker[ray]'")
import psutil  # a part of Ray
from ray.cluster_utils import Cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray leaves files of its logs open
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """Two nodes with one CPU each; a third that is added is removed by the test."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    cluster.add_node(**NODE)
    yield cluster
    cluster.shutdown()
    os.environ.pop("OMP_NUM_THREADS")
    if before is not None:
        os.environ["OMP_NUM_THREADS"] = before


@pytest.fixture(scope="module")
def run(clicks: Path) -> Path:
    path = clicks.with_name("ease")
    tm.save_run(path, tm.EASE().fit(tm.leave_one_out(tm.read(clicks))))
    return path


def printed(command: Command) -> dict:
    """What a command with --json has printed."""
    ended = command.ended()
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def tried(result: dict) -> list[tuple]:
    keys = ("number", "state", "value", "settings", "seed")
    return [tuple(trial[key] for key in keys) for trial in result["trials"]]


def results(comparison: dict) -> dict:
    models = [{**model, "fit_s": None} for model in comparison["models"]]
    names = ("comparisons", "cold_start", "how", "cold_start_how")
    return {"models": models} | {name: comparison[name] for name in names}


def remove_once(
    is_under_way: Callable[[], bool], node: Any, cluster: Cluster, command: Command
) -> None:
    """Removes a node in the middle of a command, as the failure of a machine would."""
    while not is_under_way():
        assert command.poll() is None, command.stderr.read_text()
        time.sleep(0.05)
    cluster.remove_node(node, allow_graceful=False)


def test_lists_are_those_without_ray_also_if_a_node_is_lost(
    run: Path, tmp_path: Path, cluster: Cluster, begin: Begin, tastemaker: Terminal
) -> None:
    rules = ("-k", 3, "--never", "1,2", "--because")
    plain, folder = tmp_path / "lists.parquet", tmp_path / "lists"
    tastemaker.json("recommend", run, "--all", *rules, "--out", plain)
    typed = ("recommend", run.name, "--all", *rules, "--json", "--ray", cluster.address)
    node = cluster.add_node(**NODE)
    on_ray = begin(*typed, "--out", folder, folder=run.parent)
    remove_once(lambda: len(list(folder.glob("*.json"))) > 3, node, cluster, on_ray)
    printed(on_ray)
    assert tm.read_shards(folder).n_shards == 60
    assert pl.read_parquet(folder / "*.parquet").equals(pl.read_parquet(plain))


def test_a_search_is_that_without_ray_also_after_ctrl_c_and_if_a_node_is_lost(
    clicks: Path, tmp_path: Path, cluster: Cluster, begin: Begin, tastemaker: Terminal
) -> None:
    typed = ("tune", clicks, "--model", "mf", "--set", "epochs=30", "--trials", 5, "--out")
    plain = tastemaker.json(*typed, tmp_path / "plain")
    on_ray = (*typed, tmp_path / "ray", "--ray", cluster.address)
    stopped = begin(*on_ray)
    ended = stopped.stop(signal.SIGINT, lambda: "trial 1/5" in stopped.stderr.read_text())
    assert ended.returncode == 130
    assert "interrupted; run the same command again" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (tmp_path / "ray" / "journal.log").is_file()
    node = cluster.add_node(**NODE)
    continued = begin(*on_ray, "--json")
    remove_once(lambda: "ndcg@10" in continued.stderr.read_text(), node, cluster, continued)
    assert tried(printed(continued)) == tried(plain)
    assert (tmp_path / "ray" / "best.toml").is_file()


def test_a_comparison_is_that_without_ray(
    clicks: Path, tmp_path: Path, cluster: Cluster, begin: Begin, tastemaker: Terminal
) -> None:
    typed = (
        "compare", clicks, "--models", "popularity,mf,ease", "--set", "mf.epochs=2",
        "--cold-start", "--out",
    )  # fmt: skip
    plain = tastemaker.json(*typed, tmp_path / "plain")
    on_ray = printed(begin(*typed, tmp_path / "ray", "--ray", cluster.address, "--json"))
    assert results(on_ray) == results(plain)
    assert (tmp_path / "ray" / "report.html").is_file()


def workers_of_ray_train() -> list[psutil.Process]:
    """The training processes on the cluster that this process has started."""
    children = psutil.Process().children(recursive=True)
    return [each for each in children if "ray::RayTrainWorker" in " ".join(each.cmdline())]


def test_processes_on_ray_train_the_model_of_one_process_also_if_one_is_killed(
    clicks: Path, tmp_path: Path, cluster: Cluster, begin: Begin, tastemaker: Terminal
) -> None:
    typed = (
        "train", clicks, "--model", "sasrec", "--set", "epochs=8", "--set", "dropout=0", "--set",
        "layers=1", "--set", "embedding_size=8", "--set", "batch_size=8", "--out",
    )  # fmt: skip
    cluster.wait_for_nodes()  # until Ray knows of the nodes that other tests have removed
    on_ray = begin(*typed, tmp_path / "ray", "--devices", 2, "--ray", cluster.address, "--json")
    while "epoch 3/8" not in on_ray.stderr.read_text():
        assert on_ray.poll() is None, on_ray.stderr.read_text()
        time.sleep(0.05)
    workers_of_ray_train()[0].kill()
    expected, result = tastemaker.json(*typed, tmp_path / "plain"), printed(on_ray)
    names = ("epochs", "best_epoch", "model", "n_users")
    assert [result[name] for name in names] == [expected[name] for name in names]
    assert "resuming after epoch" in on_ray.stderr.read_text()
    weights, expected_weights = (
        load_file(tmp_path / name / "weights.safetensors") for name in ("ray", "plain")
    )
    torch.testing.assert_close(weights, expected_weights, rtol=1e-2, atol=1e-3)
    assert {path.name for path in tmp_path.iterdir()} == {"plain", "ray"}


def test_a_mistake_of_a_process_on_ray_ends_in_one_line(
    clicks: Path, tmp_path: Path, cluster: Cluster, begin: Begin
) -> None:
    typed = ("train", clicks, "--model", "ease", "--ray", cluster.address)
    code, _, err = begin(*typed, "--out", tmp_path / "run", "--resume").ended()
    assert code == 2
    assert err.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in err


def test_a_mistake_with_ray_ends_in_one_line(
    clicks: Path, run: Path, tmp_path: Path, tastemaker: Terminal
) -> None:
    lists = ("recommend", run, "--all", "--out", tmp_path / "lists.csv")
    for typed, message in (
        ((*lists, "--ray", "head"), "--ray head is not the address of a Ray cluster"),
        ((*lists, "--ray", "127.0.0.1:1"), "there is no Ray cluster at this address"),
        ((*lists, "--ray", "auto", "--shard", "1/4"), "--ray computes all shards"),
        ((*lists, "--ray", "auto", "--because"), "a CSV file cannot hold the reasons"),
        ((*lists[:3], "--ray", "auto"), "give --all and --out"),
        (("compare", clicks, "--ray", "auto", "--share"), "leave out --share"),
        (("tune", "-", "--ray", "auto"), "--ray cannot read standard input"),
        ((*lists, "--ray-cpus", 4), "--ray-cpus needs --ray"),
    ):
        code, _, err = tastemaker(*typed)
        assert (code, err.strip().count("\n")) == (2, 0), err
        assert message in err
    assert list(tmp_path.iterdir()) == []


def test_without_ray_everything_else_works(clicks: Path, run: Path, tmp_path: Path) -> None:
    lists = ("recommend", run, "--all", "--out", tmp_path / "lists.csv")
    tuned = ("tune", clicks, "--model", "ease", "--trials", 1, "--out", tmp_path / "tuned")
    script = (
        "import sys; sys.modules['ray'] = None\n"
        "from tastemaker.cli.main import main\n"
        "for sys.argv in eval(sys.argv[1]):\n"
        "    try: main()\n"
        "    except SystemExit as ended: print('exit', ended.code or 0, file=sys.stderr)\n"
    )
    typed = [["tastemaker", *map(str, each)] for each in (lists, (*lists, "--ray", "auto"), tuned)]
    done = subprocess.run(
        [sys.executable, "-c", script, repr(typed)], capture_output=True, text=True
    )
    assert [line for line in done.stderr.splitlines() if line.startswith("exit")] == [
        "exit 0", "exit 2", "exit 0",
    ], done.stderr  # fmt: skip
    assert "pip install 'tastemaker[ray]'" in done.stderr
