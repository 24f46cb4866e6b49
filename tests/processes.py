"""Processes that start at once: commands, and groups of processes that train together.

A command takes seconds to import PyTorch, Lightning and the rest, which is most of the time of a
short one. Here each process is forked from one that has imported them and done no work. A command
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
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

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


def in_group(n: int, folder: Path, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Calls a function in each of n processes that form a group over gloo.

    Args:
        n: number of processes.
        folder: an empty folder, for the files by which the processes meet and give their results.
        work: a function of a module; it returns tensors and plain values.
        arguments: of the function, the same in all processes.

    Returns:
        The n results, in the order of the ranks.
    """
    processes = [
        forked.Process(target=_work_in_group, args=(rank, n, folder, work, arguments))
        for rank in range(n)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * n
    return [torch.load(folder / f"{rank}.pt") for rank in range(n)]


def _work_in_group(
    rank: int, n: int, folder: Path, work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "store"), n)
    longest = timedelta(seconds=60)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=n, timeout=longest)
    torch.save(work(*arguments), folder / f"{rank}.pt")
    dist.destroy_process_group()


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
