"""How long one waits for what comes first: help, the import, the first batch."""

import resource
import subprocess
import sys
import time
from pathlib import Path

from harness.contender import Answer, Order, Repetition, peak_mib, serve

HERE = Path(__file__).parent


def showing_help(order: Order) -> Repetition:
    """The whole command, from its start to its end."""
    return _command(str(Path(sys.executable).with_name("tastemaker")), "--help")


def importing(order: Order) -> Repetition:
    """The import alone, as the interpreter that it happens in sees it."""

    def once() -> Answer:
        return {"seconds": float(_run(sys.executable, "-c", TIMED_IMPORT)), "work": 1} | _peak()

    once()
    return once


def first_batch(order: Order) -> Repetition:
    """`tastemaker train` on MovieLens 100K, from its start until one batch was trained."""
    return _command(
        sys.executable, str(HERE / "first_batch.py"), str(order.folder / "ml-100k.zip")
    )  # fmt: skip


TIMED_IMPORT = """
import time
started_at = time.perf_counter()
import tastemaker
print(time.perf_counter() - started_at)
"""


def _command(*command: str) -> Repetition:
    def once() -> Answer:
        started_at = time.perf_counter()
        _run(*command)
        return {"seconds": time.perf_counter() - started_at, "work": 1} | _peak()

    once()
    return once


def _run(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _peak() -> Answer:
    return {"peak_mib": peak_mib(resource.RUSAGE_CHILDREN)}


if __name__ == "__main__":
    serve(showing_help=showing_help, importing=importing, first_batch=first_batch)
