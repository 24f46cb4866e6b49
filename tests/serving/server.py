"""A service in a process of its own that tests start, call, stop and kill."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Self
from unittest import mock

import httpx2

from tastemaker.cli.main import main
from tastemaker.client import Client

from ..processes import Command, Ended

LONGEST_START_S = 180
LONGEST_END_S = 30

KEYS_MADE: set[str] = set()
"""Every API key that `tastemaker keys add` has printed in these tests."""


class Server:
    """`tastemaker serve RUN --port 0` on a database; a context manager that leaves no process.

    Args:
        run: the run folder.
        database: URL of the database.
        folder: where its output is kept.
        arguments: more of the command line.
        key: sent by `client` and `http`.
        limits: soft and hard limits of the process, by RLIMIT_….
        environment: settings as TASTEMAKER_… variables, by name.
    """

    def __init__(
        self,
        run: Path,
        database: str,
        folder: Path,
        *arguments: object,
        key: str | None = None,
        limits: Mapping[int, tuple[int, int]] | None = None,
        **environment: object,
    ) -> None:
        self.run, self.database, self.folder = run, database, folder
        self._arguments = tuple(map(str, arguments))
        self._key = key
        self.limits = dict(limits or {})
        self._environment = {f"TASTEMAKER_{n.upper()}": str(v) for n, v in environment.items()}
        self._open = ExitStack()
        self.url = ""
        self.starts = 0

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
        self._open.close()
        self.refuse_leaks()

    def refuse_leaks(self) -> None:
        """Fails where anything that it has printed since its first start holds a key."""
        for file in self.folder.glob("*.*"):
            text = file.read_text() if file.suffix in (".out", ".err") else ""
            assert not [key for key in KEYS_MADE if key.partition(".")[2] in text], file

    def start(self, *, ready: bool = True) -> None:
        """Starts it and waits until it answers."""
        self._open.close()
        self.starts += 1
        self.process = Command(
            "serve", self.run, "--port", "0", "--database", self.database, *self._arguments,
            output=self.folder / str(self.starts), limits=self.limits,
            environment=environment_with(self._environment),
        )  # fmt: skip
        until(self._announced, LONGEST_START_S, self.output)
        self.client = self._open.enter_context(Client(self.url, key=self._key, timeout_s=30))
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else None
        self.http = self._open.enter_context(
            httpx2.Client(base_url=self.url, headers=headers, timeout=30)
        )
        if ready:
            until(self._is_ready, LONGEST_START_S, self.output)

    def kill(self) -> None:
        """Kills it like a loss of power, workers included."""
        for pid in (self.process.pid, *self.workers()):
            kill(pid)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(LONGEST_END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM did not end it:\n{self.output()}") from None

    def output(self) -> str:
        """Standard output and standard error of all its processes so far."""
        return self.process.stdout.read_text() + self.process.stderr.read_text()

    def log(self) -> list[dict[str, Any]]:
        """The lines of a log in JSON; a line that is none is an error."""
        output = self.process.stderr.read_text()
        lines = [line for line in output.splitlines() if not line.startswith("events go to ")]
        try:
            return [json.loads(line) for line in lines]
        except json.JSONDecodeError as error:
            raise AssertionError(f'"{error.doc}" is no line of a log in JSON:\n{output}') from None

    def workers(self) -> list[int]:
        """Process ids of its workers, none where it answers itself."""
        return [
            pid
            for pid, parent in parents().items()
            if parent == self.process.pid and b"spawn_main" in _read(pid, "cmdline")
        ]

    def memory_mib(self) -> float:
        """Resident memory of its largest process."""
        pids = [self.process.pid, *self.workers()]
        kib = [re.search(rb"VmRSS:\s+(\d+)", _read(pid, "status")) for pid in pids]
        return max(int(found[1]) for found in kib if found) / 1024

    def _announced(self) -> bool:
        assert self.process.poll() is None, f"it ended:\n{self.output()}"
        found = re.search(r" at (http://\S+)", self.process.stdout.read_text())
        self.url = found[1] if found else ""
        return bool(found)

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, f"it ended:\n{self.output()}"
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx2.TransportError:
            return False


def environment_with(more: dict[str, str]) -> dict[str, str]:
    """This process's environment without settings of a service, and with others."""
    inherited = {n: v for n, v in os.environ.items() if not n.startswith("TASTEMAKER_")}
    return inherited | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"} | more


def tastemaker(*arguments: object) -> Ended:
    """A command to its end, in this process: it is quicker to begin."""
    out, err = StringIO(), StringIO()
    typed = mock.patch.object(sys, "argv", ["tastemaker", *map(str, arguments)])
    settings = mock.patch.dict(os.environ, environment_with({}), clear=True)
    with typed, settings, redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            KEYS_MADE.update(re.findall(r"\b[0-9a-f]{12}\.[\w-]{43}", out.getvalue()))
            return Ended(int(end.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("main ends by SystemExit")


def until(
    condition: Callable[[], Any], timeout_s: float, message: Callable[[], str] | str = ""
) -> Any:
    """Waits until the condition is true, and gives its value."""
    give_up_at = time.monotonic() + timeout_s
    while not (found := condition()):
        if time.monotonic() > give_up_at:
            why = message if isinstance(message, str) else message()
            raise AssertionError(f"not within {timeout_s:g} s: {why}")
        time.sleep(0.02)
    return found


def parents() -> dict[int, int]:
    """The parent of every process."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        stat = _read(int(folder.name), "stat")
        if stat:
            found[int(folder.name)] = int(stat.rpartition(b")")[2].split()[1])
    return found


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""  # it has ended
