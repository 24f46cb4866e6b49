"""A contender's process, from the harness's side."""

import contextlib
import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any, Self

from harness.environments import ContenderError, error_line

BENCHMARKS = Path(__file__).resolve().parents[1]
RESPONSE_TIMEOUT_S = 900.0
"""Maximum time of one response before the contender counts as hung."""
SHUTDOWN_TIMEOUT_S = 10.0
"""Maximum time that a contender may take to end by itself."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


class Process:
    """One contender, ready to measure when it is told to.

    Raises:
        ContenderError: it ended, hung or wrote something else than a response.
    """

    def __init__(self, python: Path, script: str, order: dict[str, Any], log: Path) -> None:
        self._log = log
        # Some leave logs in the working folder.
        self._folder = tempfile.TemporaryDirectory()
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(order["threads"]))
        environment["PYTHONPATH"] = str(BENCHMARKS)
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [str(python), str(BENCHMARKS / script), json.dumps(order)],
                cwd=self._folder.name,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            self._response()
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
            raise ContenderError(self._failure()) from None
        return self._response()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _response(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        timer = threading.Timer(RESPONSE_TIMEOUT_S, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise ContenderError(self._failure())
        return json.loads(line)

    def _failure(self) -> str:
        code = self._process.wait()
        if code < 0:
            return f"failed: ended by signal {-code} (9: out of memory or timeout)"
        return f"failed: {error_line(self._log)} (more in {self._log})"

    def _close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(SHUTDOWN_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()
