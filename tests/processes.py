"""Commands as processes of their own that start at once.

A command takes seconds to import PyTorch, Lightning and the rest, which is most of the time of a
short one. Here each command is forked from a process that has imported them and done no work. It
has its own arguments, environment, working directory, output, limits, signals and exit code.
"""

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from tastemaker.cli.main import main

IMPORTED = [
    "alembic.command", "faiss", "implicit", "lightning.pytorch", "optuna",
    "tastemaker.asgi", "tastemaker.evaluation.leaderboard", "tastemaker.models.factorization.neumf",
    "tastemaker.reports.figures", "tastemaker.serving.run", "tastemaker.serving.start",
    "tastemaker.training.fit",
]  # fmt: skip
"""Modules imported before the fork: none that reads the environment while it is imported."""

forked = multiprocessing.get_context("forkserver")
forked.set_forkserver_preload(IMPORTED)


class Ended(NamedTuple):
    """The exit code and the output of a command that has ended."""

    returncode: int
    stdout: str
    stderr: str


class Command:
    """`tastemaker ARGUMENTS`, running.

    Args:
        arguments: of the command line.
        output: standard output goes to this path with .out appended, standard error with .err.
        folder: working directory; this process's by default.
        environment: all of its environment; this process's by default.
        limits: soft and hard limits, by RLIMIT_….
        before: called in the process before the command; a function of a module.
    """

    def __init__(
        self,
        *arguments: object,
        output: Path,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        limits: Mapping[int, tuple[int, int]] | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        self.stdout = output.with_name(f"{output.name}.out")
        self.stderr = output.with_name(f"{output.name}.err")
        for file in (self.stdout, self.stderr):
            file.write_bytes(b"")
        self._process: BaseProcess = forked.Process(
            target=_run,
            args=(
                ["tastemaker", *map(str, arguments)], self.stdout, self.stderr,
                folder or Path.cwd(), dict(os.environ if environment is None else environment),
                dict(limits or {}), before,
            ),
        )  # fmt: skip
        self._process.start()
        self.pid: int = self._process.pid or 0

    def poll(self) -> int | None:
        """Its exit code, negative where a signal ended it; None while it runs."""
        return self._process.exitcode

    def wait(self, longest_s: float | None = None) -> int:
        """Waits until it has ended, and gives its exit code."""
        self._process.join(longest_s)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("tastemaker", longest_s or 0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def ended(self) -> Ended:
        """Waits until it has ended, and gives its exit code and its output."""
        return Ended(self.wait(), self.stdout.read_text(), self.stderr.read_text())

    def stop(self, how: signal.Signals, when: Callable[[], bool]) -> Ended:
        """Sends a signal as soon as `when` is true, and waits until it has ended."""
        while not when():
            assert self.poll() is None, self.stderr.read_text()
            time.sleep(0.01)
        self.send_signal(how)
        return self.ended()


def _run(
    typed: list[str],
    stdout: Path,
    stderr: Path,
    folder: Path,
    environment: dict[str, str],
    limits: dict[int, tuple[int, int]],
    before: Callable[[], None] | None,
) -> None:
    files = (os.devnull, os.O_RDONLY), (stdout, os.O_WRONLY), (stderr, os.O_WRONLY)
    for number, (path, how) in enumerate(files):
        file = os.open(path, how)
        os.dup2(file, number)
        os.close(file)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for limit, values in limits.items():
        resource.setrlimit(limit, values)
    sys.argv = typed
    if before is not None:
        before()
    main()
