"""The peers that are measured beside ours, each in a virtual environment of its own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TextIO

from harness.task import OURS

TORCH = "torch==2.13.0"
PARQUET = "pyarrow==17.0.0"


class ContenderError(Exception):
    """A contender could not be installed or run; the message has the reason in one line."""


@dataclass(frozen=True)
class Repair:
    """One piece of text in an installed file that keeps it from running here."""

    file: str
    """Within site-packages."""
    old: str
    new: str


@dataclass(frozen=True)
class Peer:
    """One library to compare with, by its requirements."""

    requirements: tuple[str, ...]
    without_dependencies: str | None = None
    """A requirement installed last, without its dependencies and on any version of Python."""
    repairs: tuple[Repair, ...] = ()


PEERS = {
    "cornac": Peer(
        (
            "cornac==3.0.1",
            TORCH,
            PARQUET,
            "numpy==2.4.6",
            "pandas==2.3.3",
            "scipy==1.17.1",
        ),
    ),
    "rectools": Peer(
        (
            "rectools[torch]==0.19.0",
            TORCH,
            PARQUET,
            "pytorch-lightning==2.5.2",
            "numpy==1.26.4",
            "pandas==2.3.3",
            "scipy==1.17.1",
        ),
    ),
    "recbole": Peer(
        (
            "recbole==1.2.1",
            TORCH,
            PARQUET,
            "numpy==1.26.4",
            "pandas==2.3.3",
            "scipy==1.17.1",
            "ray==2.6.3",
        ),
        # It uses a method that SciPy has not had since 1.14.
        repairs=(
            Repair(
                "recbole/model/general_recommender/lightgcn.py",
                "A._update(data_dict)",
                "A._dict.update(data_dict)",
            ),
        ),
    ),
    "warprec": Peer(
        (
            TORCH,
            PARQUET,
            "lightning==2.6.6",
            "torchmetrics==1.9.0",
            "numpy==2.4.6",
            "pandas==2.3.3",
            "polars==1.44.2",
            "scipy==1.17.1",
            "scikit-learn==1.9.1",
            "narwhals==2.29.0",
            "pydantic==2.14.4",
            "optuna==4.9.0",
            "hyperopt==0.2.7",
            "ray[data,train,tune]==2.60.0",
            "coolname==5.0.0",
            "loguru==0.7.3",
            "tabulate==0.9.0",
            "tensorboard==2.21.0",
            "tensorboardX==2.6.5",
        ),
        without_dependencies="warprec==2.2.8",
        # It asks for Python 3.12, of which it needs one thing: a backslash within an f-string, in
        # a warning.
        repairs=(Repair("warprec/utils/config/common.py", r"{'\t'}", "a tab"),),
    ),
}


LIST_VERSIONS = """
import importlib.metadata, json
print(json.dumps({d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}))
"""


def is_ready(name: str, root: Path) -> bool:
    """Whether an environment is there as it should be."""
    stamp = root / name / "installed.txt"
    return name == OURS or (stamp.exists() and stamp.read_text() == _specification(PEERS[name]))


@cache
def versions(python: Path) -> dict[str, str]:
    """The version of every package in an environment, by its name in small letters."""
    done = subprocess.run([str(python), "-c", LIST_VERSIONS], capture_output=True, check=True)
    return {name.lower(): version for name, version in sorted(json.loads(done.stdout).items())}


def prepare(name: str, root: Path) -> Path:
    """The Python of an environment; a peer's is made unless it is there as it should be.

    Raises:
        ContenderError: something could not be installed; the log beside the environment says more.
    """
    if name == OURS:
        return Path(sys.executable)
    peer, folder, log = PEERS[name], root / name, root / f"{name}-install.log"
    python = folder / "bin" / "python"
    if is_ready(name, root):
        return python
    root.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(python), "-m", "pip", "install", "--no-compile"]
    with log.open("w") as output:
        _run([sys.executable, "-m", "venv", str(folder)], output)
        _run([*pip, *peer.requirements], output)
        if peer.without_dependencies:
            _run([*pip, "--no-deps", "--ignore-requires-python", peer.without_dependencies], output)
    for repair in peer.repairs:
        _repair(folder, repair)
    (folder / "installed.txt").write_text(_specification(peer))
    return python


def error_line(log: Path) -> str:
    """The line of a log with the cause of a failure: pip's last error, else the last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["there was no output"])[-1].removeprefix("ERROR: ")


def _specification(peer: Peer) -> str:
    return "\n".join(
        (sys.version, *peer.requirements, peer.without_dependencies or "", repr(peer.repairs))
    )


def _run(command: Sequence[str], output: TextIO) -> None:
    done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        log = Path(output.name)
        raise ContenderError(f"was not installed: {error_line(log)} (more in {log})")


def _repair(folder: Path, repair: Repair) -> None:
    for path in folder.glob(f"lib/python*/site-packages/{repair.file}"):
        path.write_text(path.read_text().replace(repair.old, repair.new))
