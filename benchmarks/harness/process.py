"""A contender's process, from the harness's side."""

import contextlib
import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.environments import last_words

HERE = Path(__file__).resolve().parents[1]
PATIENCE_S = 900.0
"""How long one answer may take before the contender counts as hung."""
GOODBYE_S = 10.0
"""How long a contender may take to end by itself."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


class ContenderError(Exception):
    """A contender did not answer; the message says why in one line."""


class Process:
    """One contender, ready to measure when it is told to.

    Raises:
        ContenderError: it ended, hung or said something else than an answer.
    """

    def __init__(self, python: Path, script: str, order: dict[str, Any], log: Path) -> None:
        self._log = log
        # Some leave logs in the working folder.
        self._folder = tempfile.TemporaryDirectory()
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(order["threads"]))
        environment["PYTHONPATH"] = str(HERE)
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [str(python), str(HERE / script), json.dumps(order)],
                cwd=self._folder.name,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            self._answer()
        except BaseException:
            self._close()
            raise

    def run(self) -> dict[str, Any]:
        """One repetition."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("run\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ContenderError(self._why()) from None
        return self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        timer = threading.Timer(PATIENCE_S, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise ContenderError(self._why())
        return json.loads(line)

    def _why(self) -> str:
        code = self._process.wait()
        if code < 0:
            return f"failed: ended by signal {-code} (9: out of memory or patience)"
        return f"failed: {last_words(self._log)} (more in {self._log})"

    def _close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()
