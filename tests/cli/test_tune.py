"""tastemaker tune: from data to settings that train takes."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path

import optuna
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.experiments import heartbeat, search
from tastemaker.experiments.storages import opened, shared_storage
from tests.cli.conftest import Begin, Terminal
from tests.processes import Ended


def test_the_file_of_the_best_settings_is_accepted_by_train(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tuning"
    fixed = ("--set", "epochs=2", "--set", "hidden=[16,8]", "--set", "patience=2", "--seed", 3)
    code, shown, err = tastemaker(
        "tune", clicks, "--model", "ncf", "--trials", 7, *fixed, "--out", out
    )
    assert code == 0, err
    assert "the best of 7 trials" in shown
    shown_trials = [line for line in shown.splitlines() if re.match(r" *\d+ +0\.\d{4} ", line)]
    assert len(shown_trials) == 5
    assert "trial 7/7 ndcg@10 0." in err
    settings = tomllib.loads((out / "best.toml").read_text())
    assert (settings["epochs"], settings["hidden"], settings["seed"]) == (2, [16, 8], 3)
    head = (out / "best.toml").read_text()
    for expected in ("# ncf on clicks", "ndcg@10 on the validation part", "of 7, seed 3"):
        assert expected in head
    table = pl.read_csv(out / "trials.csv")
    assert table["trial"].to_list() == [1, 2, 3, 4, 5, 6, 7]
    tastemaker.json("train", clicks, "--config", out / "best.toml", "--out", tmp_path / "run")
    model = tm.open_run(tmp_path / "run").model
    best = table.sort("value", descending=True, maintain_order=True).row(0, named=True)
    assert model.config.learning_rate == best["learning_rate"]
    judged = tm.evaluate(model, protocol=tm.FullRanking(), part="validation")
    assert judged.metrics["ndcg@10"] == best["value"], "the very model of the trial"


def test_the_same_command_continues_and_restart_starts_again(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    typed = ("tune", clicks, "--model", "ease", "--out", tmp_path / "out")
    first = tastemaker.json(*typed, "--trials", 2)
    code, _, err = tastemaker(*typed, "--trials", 4)
    assert code == 0
    assert "continuing after 2 earlier trials, up to 4" in err
    again = tastemaker.json(*typed, "--trials", 4)
    assert again["trials"][:2] == first["trials"]
    assert len(again["trials"]) == 4
    assert again["best"]["value"] == max(trial["value"] for trial in again["trials"])
    code, _, err = tastemaker(*typed, "--trials", 4, "--metric", "mrr@10")
    assert code == 2
    assert "was started with metric ndcg@10, but metric is now mrr@10" in err
    restarted = tastemaker.json(*typed, "--trials", 1, "--metric", "mrr@10", "--restart")
    assert (restarted["metric"], len(restarted["trials"])) == ("mrr@10", 1)


# More than the sampler chooses at random, and so many that two seen are far from the last.
SEARCH = ("--trials", 14, "--set", "epochs=5", "--json", "--out")


@pytest.fixture(scope="module")
def unbroken(clicks: Path, begin: Begin) -> list[tuple]:
    """The trials of a search that was never stopped."""
    return tried(begin("tune", clicks, *SEARCH, clicks.with_name("unbroken")).ended())


def tried(search: Ended) -> list[tuple]:
    assert search.returncode == 0, search.stderr
    return [(t["number"], t["value"], t["settings"]) for t in json.loads(search.stdout)["trials"]]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_search_ends_with_the_result_of_an_uninterrupted_one(
    clicks: Path, tmp_path: Path, begin: Begin, unbroken: list[tuple], how: signal.Signals
) -> None:
    out = tmp_path / "out"
    stopped = begin("tune", clicks, *SEARCH, out).stop(how, lambda: n_trials(out / "study.db") >= 2)
    assert stopped.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130}[how], stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert n_trials(out / "study.db") < len(unbroken), "it was stopped before its end"
    assert (out / "best.toml").exists() == (how == signal.SIGINT)
    assert tried(begin("tune", clicks, *SEARCH, out).ended()) == unbroken


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_if_one_of_two_workers_is_killed_the_other_completes_all_trials(
    clicks: Path, tmp_path: Path, begin: Begin, kind: str
) -> None:
    storage = tmp_path / "journal.log" if kind == "journal" else f"sqlite:///{tmp_path}/trials.db"
    typed = (
        "tune", clicks, "--trials", 6, "--set", "epochs=8", "--storage", storage, "--json",
        "--out", tmp_path / "out",
    )  # fmt: skip
    victim, other = (begin(*typed, before=impatient) for _ in range(2))
    killed = victim.stop(signal.SIGKILL, lambda: running_in(storage, victim.pid))
    assert killed.returncode == -signal.SIGKILL
    survivor = other.ended()
    assert [number for number, *_ in tried(survivor)] == [1, 2, 3, 4, 5, 6]
    trials = json.loads(survivor.stdout)["trials"]
    assert {trial["state"] for trial in trials} <= {"complete", "pruned"}
    (given_up,) = (t for t in stored_in(storage) if t.state == optuna.trial.TrialState.FAIL)
    (repeated,) = (t for t in trials if t["settings"] == given_up.params)
    assert repeated["worker"] != given_up.user_attrs["worker"]
    assert len({json.dumps(trial["settings"]) for trial in trials}) == 6


@pytest.mark.slow
def test_two_workers_run_each_trial_once_and_end_with_the_same_result(
    clicks: Path, tmp_path: Path, begin: Begin
) -> None:
    typed = (
        "tune", clicks, "--trials", 6, "--set", "epochs=6", "--storage", tmp_path / "journal.log",
        "--json", "--out", tmp_path / "out",
    )  # fmt: skip
    workers = [begin(*typed, before=impatient) for _ in range(2)]
    one, other = (worker.ended() for worker in workers)
    assert tried(one) == tried(other)
    trials = json.loads(one.stdout)["trials"]
    assert {int(t["worker"].rpartition(":")[2]) for t in trials} == {w.pid for w in workers}
    assert len(stored_in(tmp_path / "journal.log")) == len(trials) == 6
    assert len(pl.read_csv(tmp_path / "out" / "trials.csv")) == 6
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "best.toml", "manifest.json", "trials.csv",
    }  # fmt: skip


def impatient() -> None:
    """Makes workers give signs of life, and look for those of others, more often."""
    heartbeat.BEAT_EVERY_S, heartbeat.SILENT_AFTER_S, search.POLL_S = 0.5, 6.0, 0.1


def stored_in(storage: object) -> list[optuna.trial.FrozenTrial]:
    """All trials in a storage, those that were given up included."""
    place = Path(str(storage).removeprefix("sqlite:///"))
    if not place.exists():
        return []
    try:
        with opened(shared_storage(str(storage))) as inside:
            return optuna.load_study(study_name="tastemaker", storage=inside).get_trials()
    except KeyError:
        return []


def running_in(storage: object, pid: int) -> bool:
    """Whether the worker with this process id trains, and nobody holds the lock of a journal.

    The lock of a process that was killed would be broken only after thirty seconds.
    """
    trains = any(
        trial.intermediate_values and trial.user_attrs["worker"].endswith(f":{pid}")
        for trial in stored_in(storage)
        if trial.state == optuna.trial.TrialState.RUNNING
    )
    return trains and not Path(f"{storage}.lock").exists()


def test_without_optuna_the_error_names_what_to_install(clicks: Path, tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['optuna'] = None\nfrom tastemaker.cli.main import main\nmain()"
    )
    typed = ("tune", clicks, "--model", "ease", "--out", tmp_path / "out")
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, typed)], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: tuning needs optuna; install it with: pip install 'tastemaker[tune]'\n"
    )
    assert not (tmp_path / "out").exists()


def n_trials(database: Path) -> int:
    """How many trials have begun."""
    if not database.exists():
        return 0
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=9)
    try:
        return connection.execute("select count(*) from trials").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
