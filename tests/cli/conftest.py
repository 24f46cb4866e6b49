"""A terminal and a file of clicks, as the tests of all verbs use them."""

import json
import sys
from pathlib import Path

import pytest

from tastemaker.cli.main import main
from tastemaker.testing.worlds import two_tastes


class Terminal:
    """Calls the command line and keeps what it said."""

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


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tastemaker.cli.main", *map(str, arguments)]
