"""tastemaker compare: many models, one split, one table; trained once."""

import contextlib
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import polars as pl
import pytest

import tastemaker as tm
from tastemaker.experiments.sharing import in_turn
from tastemaker.folders import exclusive_lock
from tests.cli.conftest import Begin, Terminal, command
from tests.processes import Command

QUICK = ("--models", "popularity,ease,ncf", "--set", "ncf.epochs=2", "--set", "ncf.batch_size=64")


@pytest.fixture(scope="module")
def compared(clicks: Path, begin: Begin) -> Path:
    """A comparison, made as a person would; not to be changed."""
    out = clicks.with_name("compared")
    assert begin("compare", clicks, *QUICK, "--out", out).wait() == 0
    return out


def everything_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def plug_in(site: Path, name: str, code: str) -> None:
    """Puts a package with a model called Plugin where Python will look for it."""
    about = site / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[tastemaker.models]\n{name} = {name}:Plugin\n")
    (site / f"{name}.py").write_text(code)


def test_models_are_ranked_and_the_files_say_the_same(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, shown, err = tastemaker("compare", clicks, *QUICK, "--out", out)
    assert code == 0, err
    for expected in ("full ranking", "rank", "ndcg@10", "95% interval", "worse", "coverage",
                     "paired permutation test", str(out / "report.html")):  # fmt: skip
        assert expected in shown, expected
    for label in ("popularity", "ease", "ncf"):
        assert f"{label}: trained  ndcg@10 0." in err
    assert "Krichene" not in err
    board = json.loads((out / "leaderboard.json").read_text())
    assert [model["rank"] for model in board["models"]] == [1, 2, 3]
    values = [model["metrics"]["ndcg@10"] for model in board["models"]]
    assert values == sorted(values, reverse=True)
    assert all(model["fit_s"] >= 0 for model in board["models"])
    assert {"ndcg@20", "coverage@10", "novelty@20"} <= board["models"][0]["metrics"].keys()
    assert len(board["comparisons"]) == 3
    table = pl.read_csv(out / "leaderboard.csv")
    assert table["model"].to_list() == [model["name"] for model in board["models"]]
    assert table["ndcg@10"].to_list() == pytest.approx(values)
    assert "<html" in (out / "report.html").read_text()
    assert {path.name for path in out.iterdir()} == {
        "leaderboard.csv", "leaderboard.json", "manifest.json", "models", "report.html",
    }  # fmt: skip


def test_every_model_is_a_run_of_its_own(tastemaker: Terminal, compared: Path) -> None:
    evaluated = tastemaker.json(
        "evaluate", compared / "models" / "ncf", "--protocol", "full", "--lists", "-k", 20
    )
    board = json.loads((compared / "leaderboard.json").read_text())
    ncf = next(model for model in board["models"] if model["name"] == "ncf")
    assert evaluated["metrics"]["ndcg@20"] == ncf["metrics"]["ndcg@20"]
    assert evaluated["metrics"]["coverage@20"] == ncf["metrics"]["coverage@20"]
    code, shown, _ = tastemaker(
        "evaluate", compared / "models" / "ncf", "--protocol", "full", "--lists"
    )
    assert code == 0
    low, high = ncf["intervals"]["ndcg@10"]
    for expected in ("ncf, 95% interval", f"{low:.4f} to {high:.4f}", "coverage@10", "novelty@10"):
        assert expected in shown, expected
    code, shown, _ = tastemaker("recommend", compared / "models" / "ease", "--user", 3)
    assert code == 0
    assert len(shown.splitlines()) == 11


def test_a_second_call_writes_only_the_table_and_trains_no_model(
    tastemaker: Terminal, clicks: Path, compared: Path
) -> None:
    before = everything_in(compared / "models")
    first = json.loads((compared / "leaderboard.json").read_text())
    again = tastemaker.json("compare", clicks, *QUICK, "--out", compared)
    assert set(again["how"].values()) == {"reused"}
    assert everything_in(compared / "models") == before
    assert {name: again[name] for name in first} == first, "the seconds of training included"


def test_another_protocol_is_evaluated_without_training(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    small = ("--models", "popularity,ncf", "--set", "ncf.epochs=1", "--out", tmp_path / "out")
    tastemaker.json("compare", clicks, *small)
    weights = tmp_path / "out" / "models" / "ncf" / "weights.safetensors"
    before = (weights.stat().st_mtime_ns, weights.read_bytes())
    arguments = ("--protocol", "sampled", "--draw", "popularity", "-k", 5, "--metric", "hit_rate@5")
    code, shown, err = tastemaker("compare", clicks, *small, *arguments)
    assert code == 0
    assert "popularity-weighted" in shown
    assert "ncf: reused, evaluated again  hit_rate@5" in err
    assert "Krichene and Rendle 2020" in err
    assert (weights.stat().st_mtime_ns, weights.read_bytes()) == before
    code, _, err = tastemaker("compare", clicks, *small, *arguments)
    assert "ncf: reused  hit_rate@5" in err, "the new answer is kept"
    assert tm.open_run(weights.parent).evaluation["metrics"].keys() >= {"hit_rate@5"}


def test_changed_settings_or_data_train_the_model_again_with_the_reason_shown(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "out", "--set")
    tastemaker.json("compare", clicks, "--models", "ease", *out, "ease.regularization=9")
    again = tastemaker.json("compare", clicks, "--models", "ease", *out, "ease.regularization=99")
    assert again["how"] == {"ease": "trained again: regularization was 9.0 and is now 99.0"}
    shorter = tmp_path / "shorter.csv"
    pl.read_csv(clicks).head(300).write_csv(shorter)
    other = tastemaker.json("compare", shorter, "--models", "ease", *out, "ease.regularization=99")
    assert "the data or the held-out parts were different" in other["how"]["ease"]
    assert other["n_users"] == 30


def test_variants_of_one_model_go_by_labels_and_take_tuned_settings(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    (tmp_path / "best.toml").write_text("regularization = 7.0\n")
    result = tastemaker.json(
        "compare", clicks, "--models", "ease, light=ease", "--config",
        f"light={tmp_path / 'best.toml'}", "--out", tmp_path / "out",
    )  # fmt: skip
    assert {model["name"] for model in result["models"]} == {"ease", "light"}
    light = tm.open_run(tmp_path / "out" / "models" / "light").model
    assert (light.name, light.config.regularization) == ("ease", 7.0)


def test_a_model_that_fails_is_a_row_and_the_others_go_on(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("compare", clicks, "--no-validation", "--set", "ncf.patience=3", "--out", out)
    code, shown, err = tastemaker(*arguments, "--models", "ncf,popularity")
    assert code == 1
    assert "ncf failed: patience is 3, but the split has no validation part" in shown
    assert "ncf: failed: patience is 3" in err
    assert [path.name for path in (out / "models").iterdir()] == ["popularity"]
    board = json.loads((out / "leaderboard.json").read_text())
    assert board["failed"][0]["name"] == "ncf"
    code, shown, err = tastemaker(*arguments[:-1], tmp_path / "all", "--models", "ncf")
    assert (code, shown) == (2, "")
    assert "error: every model failed: ncf: patience is 3" in err


def test_a_plug_in_that_breaks_does_not_break_the_comparison(
    tastemaker: Terminal, clicks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(
        tmp_path / "site",
        "fragile",
        "from tastemaker.models.popularity import Popularity\n"
        "class Plugin(Popularity):\n"
        "    name = 'fragile'\n"
        "    def _fit(self, split, run):\n"
        "        raise RuntimeError('47 parts\\nmissing')\n",
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    code, shown, _ = tastemaker(
        "compare", clicks, "--models", "fragile,popularity", "--out", tmp_path / "out"
    )
    assert code == 1
    assert "fragile failed: RuntimeError: 47 parts missing" in shown
    assert "popularity" in shown


def test_models_are_evaluated_on_unseen_users(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    arguments = ("compare", clicks, *QUICK, "--cold-start", "--out", tmp_path / "out")
    code, shown, err = tastemaker(*arguments)
    assert code == 0, err
    for expected in ("unseen users: 10% of the users", "6 after 1, 6 after 2, 6 after 5",
                     "ndcg@10 after 1"):  # fmt: skip
        assert expected in shown, expected
    assert "training every model again without 6 users" in err
    assert re.search(r"ncf: trained  ndcg@10 0\.\d{4} after 1, 0\.\d{4} after 5 ", err)
    board = json.loads((tmp_path / "out" / "leaderboard.json").read_text())
    cold = board["cold_start"]
    assert [model["name"] for model in cold["models"]] == [m["name"] for m in board["models"]]
    for model in cold["models"]:
        assert (model["fraction"], model["seed"], model["n_users"]) == (0.1, 0, 6)
        assert [at["length"] for at in model["lengths"]] == [1, 2, 5], "no user has more than 10"
        for at in model["lengths"]:
            low, high = at["intervals"]["ndcg@10"]
            assert 0 <= low <= at["metrics"]["ndcg@10"] <= high <= 1
            assert at["metrics"]["ndcg@10"] <= at["metrics"]["hit_rate@10"]
    assert "Unseen users: " in (tmp_path / "out" / "report.html").read_text()
    before = everything_in(tmp_path / "out" / "models")
    again = tastemaker.json(*arguments)
    assert set(again["how"].values()) | set(again["cold_start_how"].values()) == {"reused"}
    assert again["cold_start"] == cold
    assert everything_in(tmp_path / "out" / "models") == before


def test_unseen_users_are_evaluated_only_on_request(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    arguments = ("compare", clicks, "--models", "popularity,ease", "--out", tmp_path / "out")
    plain = tastemaker.json(*arguments)
    assert not {"cold_start", "cold_start_how"} & plain.keys()
    assert "Unseen users" not in (tmp_path / "out" / "report.html").read_text()
    later = tastemaker.json(*arguments, "--cold-start")
    assert set(later["how"].values()) == {"reused"}
    assert later["cold_start_how"] == {"popularity": "trained", "ease": "trained"}
    assert {name: later[name] for name in plain if name != "interrupted"} == {
        name: value if name != "how" else later["how"]
        for name, value in plain.items()
        if name != "interrupted"
    }
    again = tastemaker.json(*arguments, "--cold-start", "--set", "ease.regularization=9")
    assert again["cold_start_how"] == {"popularity": "reused", "ease": "trained"}


def test_a_model_that_fails_without_the_unseen_users_is_a_row(
    tastemaker: Terminal, clicks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(
        tmp_path / "site",
        "wary",
        "from tastemaker.models.popularity import Popularity\n"
        "class Plugin(Popularity):\n"
        "    name = 'wary'\n"
        "    def _fit(self, split, run):\n"
        "        if (split.train.user_counts == 0).any():\n"
        "            raise ValueError('a user has no interactions')\n"
        "        super()._fit(split, run)\n",
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    out = tmp_path / "out"
    code, shown, err = tastemaker(
        "compare", clicks, "--models", "wary,popularity", "--cold-start", "--out", out
    )
    assert code == 1
    assert "wary failed: ValueError: a user has no interactions" in shown
    assert "wary: failed: ValueError: a user has no interactions" in err
    board = json.loads((out / "leaderboard.json").read_text())
    assert {model["name"] for model in board["models"]} == {"wary", "popularity"}
    assert [model["name"] for model in board["cold_start"]["models"]] == ["popularity"]
    assert board["cold_start"]["failed"] == [
        {"name": "wary", "error": "ValueError: a user has no interactions"}
    ]
    assert "a user has no interactions" in (out / "report.html").read_text()
    assert {path.name for path in (out / "models").iterdir()} == {"wary", "popularity"}


def test_users_who_cannot_be_held_out_are_refused_before_any_training(
    tastemaker: Terminal, tmp_path: Path
) -> None:
    lonely = tmp_path / "lonely.csv"
    lonely.write_text("user,item,time\n1,10,1\n1,11,2\n1,12,3\n")
    arguments = ("compare", lonely, "--models", "popularity", "--out", tmp_path / "out")
    code, _, err = tastemaker(*arguments, "--cold-start")
    assert code == 2
    assert "no users can be held out: no user would be left to train on" in err
    assert not (tmp_path / "out").exists()


def interrupted(process: Command, log: Path) -> str:
    """Output of a command that Ctrl-C ended once its log had some epochs."""
    ended = process.stop(
        signal.SIGINT, lambda: log.exists() and len(log.read_text().splitlines()) >= 4
    )
    assert ended.returncode == 130, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout


def completed(process: Command) -> dict:
    ended = process.ended()
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.slow
def test_ctrl_c_keeps_finished_models_and_the_same_command_continues(
    clicks: Path, tmp_path: Path, begin: Begin
) -> None:
    out = tmp_path / "out"
    typed = (
        "compare", clicks, "--models", "popularity,ncf,ease", "--set", "ncf.epochs=60",
        "--set", "ncf.batch_size=16", "--out", out, "--json",
    )  # fmt: skip
    first = interrupted(begin(*typed), log=out / "models" / "ncf.partial" / "epochs.csv")
    assert [model["name"] for model in json.loads(first)["models"]] == ["popularity"]
    assert sorted(path.name for path in (out / "models").iterdir()) == ["ncf.partial", "popularity"]
    assert completed(begin(*typed))["how"] == {
        "popularity": "reused", "ncf": "training resumed", "ease": "trained",
    }  # fmt: skip
    assert len(tm.open_run(out / "models" / "ncf").training["epochs"]) == 60


@pytest.mark.slow
def test_ctrl_c_during_the_cold_start_trainings_keeps_the_first_ones(
    clicks: Path, tmp_path: Path, begin: Begin
) -> None:
    out = tmp_path / "out"
    typed = (
        "compare", clicks, "--models", "popularity,ncf", "--set", "ncf.epochs=60", "--set",
        "ncf.batch_size=16", "--cold-start", "--out", out, "--json",
    )  # fmt: skip
    log = out / "models" / "ncf.cold-start.partial" / "epochs.csv"
    board = json.loads(interrupted(begin(*typed), log))
    assert {model["name"] for model in board["models"]} == {"popularity", "ncf"}
    assert board["cold_start_how"] == {"popularity": "trained"}
    second = completed(begin(*typed))
    assert set(second["how"].values()) == {"reused"}
    assert second["cold_start_how"] == {"popularity": "reused", "ncf": "training resumed"}
    assert {path.name for path in (out / "models").iterdir()} == {"popularity", "ncf"}


def test_two_workers_train_each_model_once_and_show_the_table_of_one(
    clicks: Path, tmp_path: Path, begin: Begin, compared: Path
) -> None:
    typed = ("compare", clicks, *QUICK, "--out", tmp_path / "out", "--share", "--json")
    shown = [completed(each) for each in [begin(*typed), begin(*typed)]]
    expected = json.loads((compared / "leaderboard.json").read_text())
    for one in shown:
        assert without_seconds(one["models"]) == without_seconds(expected["models"])
        assert one["comparisons"] == expected["comparisons"]
    for label in ("popularity", "ease", "ncf"):
        assert {one["how"][label] for one in shown} <= {"trained", "reused"}
        assert sum(one["how"][label] == "trained" for one in shown) == 1, label
    assert (tmp_path / "out" / "report.html").exists()
    assert json.loads((tmp_path / "out" / "leaderboard.json").read_text()).items() <= (
        shown[0].items()
    )


def without_seconds(models: list[dict]) -> list[dict]:
    return [
        {name: value for name, value in model.items() if not name.endswith("_s")}
        for model in models
    ]


@pytest.mark.slow
def test_the_model_of_a_killed_worker_is_continued_by_one_that_waits_for_it(
    clicks: Path, tmp_path: Path, begin: Begin
) -> None:
    out = tmp_path / "out"
    typed = (
        "compare", clicks, "--models", "ncf,popularity", "--set", "ncf.epochs=400",
        "--set", "ncf.batch_size=16", "--out", out, "--share", "--json",
    )  # fmt: skip
    log = out / "models" / "ncf.partial" / "epochs.csv"
    victim = begin(*typed)
    while not (log.exists() and len(log.read_text().splitlines()) >= 4):
        assert victim.poll() is None
    waiting = begin(*typed)
    killed = victim.stop(
        signal.SIGKILL,
        lambda: "ncf: waiting for another worker" in waiting.stderr.read_text(),
    )
    assert killed.returncode == -signal.SIGKILL
    assert completed(waiting)["how"] == {"ncf": "training resumed", "popularity": "trained"}


def test_a_comparison_that_is_not_shared_refuses_workers_and_is_refused_by_them(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    typed = ("compare", clicks, "--models", "popularity", "--out", out)
    assert tastemaker(*typed)[0] == 0
    worker = in_turn(out, ["ncf"], print)
    assert next(worker) == "ncf"
    code, _, err = tastemaker(*typed)
    assert code == 2
    assert "set --share to train the others, or choose another --out" in err
    assert tastemaker(*typed, "--share")[0] == 0
    worker.close()
    assert tastemaker(*typed)[0] == 0
    with exclusive_lock(out):
        code, _, err = tastemaker(*typed, "--share")
    assert code == 2
    assert "another process is writing to this folder" in err


def test_the_table_is_live_on_a_terminal(clicks: Path, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")
    parent_end, child_end = pty.openpty()
    process = subprocess.Popen(
        command("compare", clicks, *QUICK, "--out", tmp_path / "out"),
        stdout=subprocess.DEVNULL, stderr=child_end,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(child_end)
    shown = b""
    with contextlib.suppress(OSError):  # how a pseudo-terminal says that the other end is closed
        while block := os.read(parent_end, 1 << 16):
            shown += block
    os.close(parent_end)
    assert process.wait() == 0
    for expected in ("waiting", "training, epoch 2/2", "evaluating", "trained", "ndcg@10 0."):
        assert expected in shown.decode(), expected
