"""A terminal and a file of clicks, as the tests of all verbs use them."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tastemaker.cli.main import main
from tastemaker.testing.worlds import two_tastes
from tests.processes import Command

Begin = Callable[..., Command]


class Terminal:
    """Calls the command line and returns its exit code and output."""

    def __init__(self, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["tastemaker", *map(str, arguments)])
        self._monkeypatch.setenv("COLUMNS", "120")
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = self._capsys.readouterr()
        return int(exit_.value.code or 0), out, err

    def json(self, *arguments: object) -> dict:
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def tastemaker(capsys, monkeypatch) -> Terminal:
    return Terminal(capsys, monkeypatch)


@pytest.fixture(scope="module")
def clicks(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "clicks.csv"
    two_tastes().to_frame().write_csv(path)
    return path


@pytest.fixture(scope="session")
def begin(tmp_path_factory) -> Iterator[Begin]:
    """Starts a command as a process of its own, which takes signals."""
    commands: list[Command] = []

    def begin(*arguments: object, **more: object) -> Command:
        output = tmp_path_factory.mktemp("output") / "command"
        commands.append(Command(*arguments, output=output, **more))
        return commands[-1]

    yield begin
    for process in commands:
        if process.poll() is None:  # its test has failed
            process.send_signal(signal.SIGKILL)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tastemaker.cli.main", *map(str, arguments)]
