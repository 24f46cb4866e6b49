"""How long one waits for what comes first: help, the import, the first batch, the service."""

import resource
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

from harness.contender import Answer, Order, Repetition, peak_mib, serve
from serving.world import make_run

HERE = Path(__file__).parent
COMMAND = str(Path(sys.executable).with_name("tastemaker"))
N_ITEMS = 27_000
LIMIT_S = 60


def showing_help(order: Order) -> Repetition:
    """The whole command, from its start to its end."""
    return _command(COMMAND, "--help")


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


def service(order: Order) -> Repetition:
    """`tastemaker serve` on a run with 27,000 items, from its start until it is ready."""
    make_run(Path("run"), "mf", N_ITEMS)

    def once() -> Answer:
        port = _free_port()
        started_at = time.perf_counter()
        command = [COMMAND, "serve", "run", "--port", str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                while not _is_ready(port):
                    assert process.poll() is None, "the service ended"
                    assert time.perf_counter() - started_at < LIMIT_S, "the service is not ready"
                    time.sleep(0.01)
                seconds = time.perf_counter() - started_at
            finally:
                process.terminate()
        return {"seconds": seconds, "work": 1} | _peak()

    once()
    return once


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (ConnectionError, TimeoutError):
        return False
    finally:
        connection.close()


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
    serve(
        showing_help=showing_help, importing=importing, first_batch=first_batch, service=service
    )  # fmt: skip
