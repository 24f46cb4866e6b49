"""The doctor shows what an installation can do, and what is missing."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tastemaker.native import library
from tastemaker.serving.settings import ServiceSettings
from tests.cli.conftest import Terminal


@pytest.fixture
def native_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in place of the one with the compiled code."""
    folder = tmp_path / "native"
    folder.mkdir()
    monkeypatch.setattr(library, "FOLDER", folder)
    library._load.cache_clear()
    yield folder
    library._load.cache_clear()


def install(folder: Path, *requirements: str) -> None:
    """Lets the folder hold an installed tastemaker with these requirements."""
    about = folder / "tastemaker-0.1.0.dist-info" / "METADATA"
    about.parent.mkdir()
    lines = ["Metadata-Version: 2.4", "Name: tastemaker", "Version: 0.1.0", "Provides-Extra: tune"]
    about.write_text("\n".join([*lines, *(f"Requires-Dist: {each}" for each in requirements), ""]))


def test_the_doctor_finds_this_installation_in_order(tastemaker: Terminal) -> None:
    found = tastemaker.json("doctor")
    assert found["problems"] == []
    assert found["versions"]["torch"]
    assert found["machine"]["n_threads"] >= 1
    assert found["machine"]["available_bytes"] > 0
    lines = {extra["name"]: extra["install"] for extra in found["extras"]}
    assert lines["tune"] == 'pip install "tastemaker[tune]"'
    assert "dev" not in lines
    code, out, _ = tastemaker("doctor")
    assert code == 0
    for expected in ("tastemaker", "processor", "threads", "cache folder", "port 8000", "extra"):
        assert expected in out


def test_a_missing_package_of_the_base_install_is_an_error_and_of_an_extra_is_not(
    tastemaker: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "numpy>=1.26", 'nowhere>=3; extra == "tune"')
    monkeypatch.syspath_prepend(tmp_path)
    (extra,) = tastemaker.json("doctor")["extras"]
    assert extra["unmet"] == ["nowhere is not installed"]
    code, out, _ = tastemaker("doctor")
    assert code == 0
    assert 'pip install "tastemaker[tune]"' in out


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("nowhere>=3", "nowhere is not installed"),
        ("numpy<1", "is installed, but <1 is needed"),
        ('nowhere; sys_platform == "other"', None),
    ],
)
def test_what_the_base_install_needs_is_checked(
    requirement: str,
    problem: str | None,
    tastemaker: Terminal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(tmp_path, requirement)
    monkeypatch.syspath_prepend(tmp_path)
    code, out, _ = tastemaker("doctor", "--json")
    assert code == (1 if problem else 0)
    problems = json.loads(out)["problems"]
    assert len(problems) == (1 if problem else 0)
    assert not problem or problem in problems[0]
    assert ("broken: " in tastemaker("doctor")[2]) == bool(problem)


def test_a_port_that_is_in_use_is_shown(tastemaker: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not tastemaker.json("doctor", "--port", port)["machine"]["port_is_free"]
    assert tastemaker.json("doctor", "--port", port)["machine"]["port_is_free"]
    default = ServiceSettings.model_fields["port"].default
    assert tastemaker.json("doctor")["machine"]["port"] == default


@pytest.mark.parametrize("damaged", [False, True])
def test_a_training_without_compiled_code_says_so_in_one_line(
    damaged: bool, native_folder: Path, tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    if damaged:
        (native_folder / f"tastemaker-default{library.SUFFIX}").write_text("not a library")
    reason = "could not be loaded" if damaged else "this installation has no compiled code"
    command = ("train", clicks, "--model", "ncf", "--set", "epochs=1", "--out", tmp_path / "run")
    code, _, err = tastemaker(*command)
    assert code == 0
    assert err.count("the plain form does the work") == 1
    assert reason in err
    machine = tastemaker.json("doctor")["machine"]
    assert machine["library"] is None
    assert reason in machine["why_not_compiled"]


def test_compiled_code_for_another_processor_is_named(
    native_folder: Path, tastemaker: Terminal
) -> None:
    (native_folder / f"tastemaker-other{library.SUFFIX}").write_text("")
    reason = tastemaker.json("doctor")["machine"]["why_not_compiled"]
    assert "for other processors (tastemaker-other" in reason
