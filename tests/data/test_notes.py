"""What reading and splitting decided is shown in Python, once, and can be silenced."""

import logging
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import tastemaker as tm
from tests.cli.conftest import command

CLICKS = "visitor,sku\n" + "".join(f"{user},{item}\n" for user in range(4) for item in range(4))

SCRIPT = """
import logging, sys
{before}
import tastemaker as tm
data = tm.read(sys.argv[1])
tm.k_core(data, 2)
tm.leave_one_out(data, by="input")
"""


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.csv"
    path.write_text(CLICKS + "0,1\n")
    return path


@pytest.fixture
def note_log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="tastemaker")
    return caplog


def _shown(clicks: Path, before: str = "") -> str:
    script = SCRIPT.format(before=before)
    return subprocess.run(
        [sys.executable, "-c", script, str(clicks)], capture_output=True, text=True, check=True
    ).stderr


def test_a_plain_script_sees_each_note_once(clicks: Path) -> None:
    lines = _shown(clicks).splitlines()
    assert all(line.startswith("tastemaker: ") for line in lines)
    assert sum("user = visitor (guessed)" in line for line in lines) == 1
    assert sum("1 rows repeat a (user, item) pair" in line for line in lines) == 1
    assert sum("2-core: 16 of 16" in line for line in lines) == 1


@pytest.mark.parametrize(
    "silencing",
    [
        'logging.getLogger("tastemaker").setLevel("WARNING")',
        "logging.disable()",
        "logging.basicConfig()",
    ],
)
def test_a_script_can_silence_the_notes(clicks: Path, silencing: str) -> None:
    assert _shown(clicks, silencing) == ""


def test_a_script_with_its_own_logging_gets_the_notes_there(clicks: Path) -> None:
    lines = _shown(clicks, 'logging.basicConfig(level="INFO", format="[%(name)s] %(message)s")')
    assert "[tastemaker] columns: user = visitor (guessed)" in lines
    assert "tastemaker: " not in lines


def test_the_command_line_says_each_note_once(clicks: Path, tmp_path: Path) -> None:
    arguments = ("train", clicks, "--model", "popularity", "--by", "input", "--k-core", 2)
    ended = subprocess.run(
        command(*arguments, "--out", tmp_path / "run"), capture_output=True, text=True, check=True
    )
    for note in ("(guessed)", "1 rows repeat a (user, item) pair", "2-core: "):
        assert (ended.stdout + ended.stderr).count(note) == 1 + (note == "(guessed)")


def test_splitting_logs_only_new_notes(note_log: pytest.LogCaptureFixture) -> None:
    log = pl.DataFrame({"user": [1, 1, 2, 2, 3], "item": [1, 2, 1, 2, 9], "time": range(5)})
    data = tm.read(log)
    note_log.clear()
    split = tm.temporal(data, test_fraction=0.25, validation=False)
    assert note_log.messages == list(split.notes)
    note_log.clear()
    tm.sample_users(data, 0.5)
    assert note_log.messages == ["2 of 3 users are sampled with seed 0"]


def test_a_data_set_of_known_layout_logs_no_columns(note_log: pytest.LogCaptureFixture) -> None:
    assert tm.load("synthetic").notes
    assert not any("columns" in message for message in note_log.messages)


def test_each_column_of_the_items_and_users_is_said_once(
    note_log: pytest.LogCaptureFixture,
) -> None:
    log = pl.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1]})
    items = pl.DataFrame({"item": [1, 2, 3], "brand": ["x", "y", "y"]})
    users = pl.DataFrame({"user": [1, 2, 3], "plan": ["free", "paid", "free"]})
    tm.read(log, items=items, users=users)
    for note in ("catalog: brand: category (2 values)", "users: plan: category (2 values)"):
        assert note_log.messages.count(note) == 1
