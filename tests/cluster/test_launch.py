"""Processes that `launch` starts: what they are told, what is shown, and how they end."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tastemaker.cluster.launch import LOST_PROCESS, launch
from tastemaker.errors import LostProcessError

Launch = Callable[[str], int]

WAITING = "import time\nwhile True: time.sleep(0.01)\n"


@pytest.fixture
def start(tmp_path: Path) -> Launch:
    """Launches two processes of a program that knows its `rank` and its `folder`."""

    def start(program: str) -> int:
        begin = f"import os, pathlib, signal, sys\nfolder = pathlib.Path({str(tmp_path)!r})\n"
        begin += "rank = int(os.environ['RANK'])\n"
        return launch([sys.executable, "-c", begin + program], 2, os.environ)

    return start


def test_every_process_has_a_rank_and_an_address_and_only_the_first_one_is_heard(
    start: Launch, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    variables = "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_PORT"
    program = f"""
print("from", rank)
print("note", rank, file=sys.stderr)
(folder / str(rank)).write_text(" ".join(os.environ[name] for name in {variables}))
"""
    assert start(program) == 0
    (*first, port), (*second, same_port) = ((tmp_path / n).read_text().split() for n in "01")
    assert (first, second) == (["0", "0", "2", "2"], ["1", "1", "2", "2"])
    assert port == same_port
    assert capfd.readouterr() == ("from 0\n", "note 0\n")


def test_the_error_of_the_first_process_is_the_only_one_shown(
    start: Launch, capfd: pytest.CaptureFixture
) -> None:
    assert start("sys.exit(print('mistake', file=sys.stderr) or 2)") == 2
    assert capfd.readouterr().err == "mistake\n"


def test_an_error_of_another_process_is_shown_and_ends_the_first(
    start: Launch, capfd: pytest.CaptureFixture
) -> None:
    program = f"""
if rank == 1:
    sys.exit(print("out of memory", file=sys.stderr) or 2)
sys.exit({LOST_PROCESS})
"""
    assert start(program) == 2
    assert capfd.readouterr().err == "out of memory\n"


def test_processes_that_cannot_reach_each_other_are_an_error(start: Launch) -> None:
    with pytest.raises(LostProcessError, match="lost contact with each other"):
        start(f"sys.exit({LOST_PROCESS})")


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_others_even_if_they_do_not_notice(
    start: Launch, killed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tastemaker.cluster.launch.ENDING_S", 0.1)
    program = f"if rank == {killed}: os.kill(os.getpid(), signal.SIGKILL)\n" + WAITING
    with pytest.raises(LostProcessError, match=f"process {killed} was ended by SIGKILL"):
        start(program)


def signal_when_both_run(folder: Path, number: signal.Signals) -> None:
    """Sends a signal to this process as soon as both processes have written their file."""

    def send() -> None:
        waiting = threading.Event()
        while not all((folder / name).exists() for name in "01"):
            waiting.wait(0.01)
        os.kill(os.getpid(), number)

    threading.Thread(target=send, daemon=True).start()


def test_ctrl_c_reaches_every_process_once_and_they_end_in_their_own_time(
    start: Launch, tmp_path: Path
) -> None:
    signal_when_both_run(tmp_path, signal.SIGINT)
    program = """
try:
    (folder / str(rank)).touch()
    while True: signal.pause()
except KeyboardInterrupt:
    (folder / f"{rank} interrupted").touch()
    sys.exit(130 if rank == 0 else 0)
"""
    assert start(program) == 130
    assert {path.name for path in tmp_path.glob("* *")} == {"0 interrupted", "1 interrupted"}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_while_the_processes_run_leaves_none_behind(start: Launch, tmp_path: Path) -> None:
    def fail(number: int, frame: object) -> None:
        raise TimeoutError

    previous = signal.signal(signal.SIGALRM, fail)
    signal_when_both_run(tmp_path, signal.SIGALRM)
    try:
        with pytest.raises(TimeoutError):
            start("(folder / f'{rank}.pid').write_text(str(os.getpid()))\n"
                  "(folder / str(rank)).touch()\n" + WAITING)  # fmt: skip
    finally:
        signal.signal(signal.SIGALRM, previous)
    for path in tmp_path.glob("*.pid"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)


def test_sigterm_ends_every_process(start: Launch, tmp_path: Path) -> None:
    signal_when_both_run(tmp_path, signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        start("(folder / str(rank)).touch()\n" + WAITING)
    assert ended.value.code == 143
