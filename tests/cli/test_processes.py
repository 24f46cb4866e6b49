"""`tastemaker train` by several processes: one run, one error line, Ctrl-C, kills and --resume."""

import csv
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.cli.conftest import Begin, Terminal
from tests.cli.interrupting import slow_to_read_checkpoints
from tests.processes import Command

EPOCHS = 12
SETTINGS = (
    "--model", "sasrec", "--set", f"epochs={EPOCHS}", "--set", "dropout=0", "--set", "layers=1",
    "--set", "embedding_size=8", "--set", "batch_size=8",
)  # fmt: skip


@pytest.fixture(scope="module")
def of_one_process(clicks: Path, tmp_path_factory, begin: Begin) -> Path:
    """The run of a process that trained alone and was never stopped."""
    out = tmp_path_factory.mktemp("alone") / "run"
    assert begin("train", clicks, *SETTINGS, "--out", out).wait() == 0
    return out


def losses(run: Path) -> list[float]:
    with (run / "epochs.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def assert_same_run(run: Path, expected: Path) -> None:
    assert losses(run) == pytest.approx(losses(expected), rel=1e-4)
    weights = load_file(run / "weights.safetensors")
    torch.testing.assert_close(
        weights, load_file(expected / "weights.safetensors"), rtol=1e-2, atol=1e-3
    )
    assert {path.name for path in run.iterdir()} == {path.name for path in expected.iterdir()}


def begin_two(
    begin: Begin, *typed: object, before_second: Callable[[], None] | None = None
) -> tuple[Command, Command]:
    """Starts a command in two processes, with the variables that torchrun sets.

    `before_second` is called in the second process before the command.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    first, second = (
        begin(
            *typed,
            before=before_second if rank == "1" else None,
            environment=os.environ
            | {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
            | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"},
        )
        for rank in "01"
    )
    return first, second


@pytest.mark.slow
def test_a_killed_process_ends_the_other_and_resume_gives_the_result_of_an_unbroken_run(
    clicks: Path, tmp_path: Path, begin: Begin, of_one_process: Path
) -> None:
    typed = ("train", clicks, *SETTINGS, "--out", tmp_path / "run")
    first, second = begin_two(begin, *typed, "--devices", 2)
    checkpoint = tmp_path / "run.partial" / "checkpoints" / "last.safetensors"
    assert second.stop(signal.SIGKILL, checkpoint.exists).returncode == -signal.SIGKILL
    left = first.ended()
    assert left.returncode == 2
    errors = [line for line in left.stderr.splitlines() if line.startswith("error: ")]
    assert errors == [
        "error: process 0 of 2 lost contact with another process; run the same command with "
        "--resume to continue after the last finished epoch"
    ]
    assert "Traceback" not in left.stderr
    first, second = begin_two(begin, *typed, "--resume")
    resumed, quiet = first.ended(), second.ended()
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming after epoch" in resumed.stderr
    assert quiet == (0, "", "")
    assert_same_run(tmp_path / "run", of_one_process)


@pytest.mark.slow
def test_ctrl_c_in_one_process_ends_all_after_the_same_batch_and_keeps_the_best_epoch(
    clicks: Path, tmp_path: Path, begin: Begin
) -> None:
    typed = ("train", clicks, *SETTINGS, "--set", "epochs=10000", "--set", "patience=none")
    first, second = begin_two(begin, *typed, "--out", tmp_path / "run")
    checkpoint = tmp_path / "run.partial" / "checkpoints" / "last.safetensors"
    assert second.stop(signal.SIGINT, checkpoint.exists) == (0, "", "")
    kept = first.ended()
    assert kept.returncode == 130, kept.stderr
    assert "was kept and saved; run the same command with --resume to continue" in kept.stderr
    assert (tmp_path / "run" / "weights.safetensors").exists()


@pytest.mark.slow
def test_devices_starts_processes_that_write_one_run_equal_to_that_of_one_process(
    clicks: Path, tmp_path: Path, begin: Begin, of_one_process: Path
) -> None:
    typed = ("train", clicks, *SETTINGS, "--out", tmp_path / "run", "--devices", 2, "--json")
    done = begin(*typed).ended()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert done.stderr.count(f"training, epoch {EPOCHS}/{EPOCHS}") == 1
    assert_same_run(tmp_path / "run", of_one_process)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.slow
def test_the_run_is_saved_after_the_slowest_process_has_read_the_checkpoints(
    clicks: Path, tmp_path: Path, begin: Begin
) -> None:
    typed = ("train", clicks, *SETTINGS, "--set", "epochs=1", "--split", "none")
    first, second = begin_two(
        begin, *typed, "--out", tmp_path / "run", before_second=slow_to_read_checkpoints
    )
    assert second.ended() == (0, "", "")
    assert first.wait() == 0


def test_a_mistake_is_reported_once(clicks: Path, tmp_path: Path, begin: Begin) -> None:
    for mistake, message in {
        ("--model", "multvae"): "multvae cannot be trained by several processes; ",
        ("--devices", "3"): "--devices is 3, but torchrun has started 2 processes; leave it out",
    }.items():
        first, second = begin_two(begin, "train", clicks, "--out", tmp_path / "run", *mistake)
        reported, quiet = first.ended(), second.ended()
        assert (reported.returncode, quiet.returncode) == (2, 2)
        assert message in reported.stderr
        assert reported.stderr.count("\n") == 1
        assert quiet.stderr == ""
    assert not list(tmp_path.iterdir())


def test_standard_input_cannot_be_read_by_several_processes(tastemaker: Terminal) -> None:
    code, _, err = tastemaker("train", "-", "--devices", 2)
    assert code == 2
    assert "several processes cannot read standard input; write the data to a file" in err


def test_a_missing_or_wrong_variable_of_torchrun_is_an_error(
    tastemaker: Terminal, clicks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "two", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)
    code, _, err = tastemaker("train", clicks)
    assert code == 2
    assert 'the environment variable WORLD_SIZE is "two"' in err
    monkeypatch.delenv("MASTER_PORT")
    code, _, err = tastemaker("train", clicks)
    assert code == 2
    assert 'the environment variable MASTER_PORT is ""' in err
