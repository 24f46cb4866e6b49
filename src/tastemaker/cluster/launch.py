"""Starts several processes of one command on this machine, which train one model together.

torchrun does the same on one or more machines, but ends its processes 30 seconds after Ctrl-C, and
reports a user's mistake once for each process.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import torch
import torch.distributed as dist

from tastemaker.errors import LostProcessError

LOST_PROCESS = 3
"""Exit code of a process that ended only because another one did."""

LAUNCHED = "TASTEMAKER_LAUNCHED"
"""Environment variable of the processes that `launch` has started, unlike those of torchrun."""

ENDING_S = 5.0
"""Time in seconds that the other processes have to end by themselves after one has failed."""

POLLING_S = 0.05

TERMINATING = frozenset({signal.SIGTERM, signal.SIGHUP})

Process = subprocess.Popen[Any]


def launch(command: Sequence[str], n: int, environment: Mapping[str, str]) -> int:
    """Runs a command in n processes, and waits until all of them have ended.

    Only process 0 writes to standard output and standard error. Signals are passed on to all. If a
    process fails, the others are ended after ENDING_S seconds.

    Args:
        command: the program and its arguments.
        n: number of processes.
        environment: the environment of the command; the threads of this process are divided.

    Returns:
        The exit code of process 0, which has reported its error, or else of the first process that
        failed, whose error this function prints.

    Raises:
        LostProcessError: a process was killed, or the processes could not reach each other.
        KeyboardInterrupt: Ctrl-C was pressed before process 0 could report it.
        SystemExit: SIGTERM or SIGHUP was received.
    """
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    processes: list[Process] = []
    with ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(n)]
        received = stack.enter_context(_forwarding_signals(processes))
        stack.callback(_kill_running, processes)  # if this function fails before they have ended
        for rank in range(n):
            process = subprocess.Popen(
                command,
                env={**environment, **_place(rank, n, store.port)},
                stdin=subprocess.DEVNULL,
                stdout=outputs[rank] if rank else None,
                stderr=outputs[rank] if rank else None,
                # Otherwise Ctrl-C would reach a process twice: from the terminal and from here.
                start_new_session=True,
            )
            processes.append(process)
        failed = _wait(processes, received)
        return _exit_code([process.returncode for process in processes], failed, received, outputs)


def _place(rank: int, n: int, port: int) -> dict[str, str]:
    """Returns the variables by which a process finds the others, named as torchrun does.

    LAUNCHED is not one of torchrun's.
    """
    return {
        LAUNCHED: "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the port is open already, in this process
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(n),
        "LOCAL_WORLD_SIZE": str(n),
        "OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // n)),
    }


@contextmanager
def _forwarding_signals(processes: Sequence[Process]) -> Iterator[list[int]]:
    """Passes signals on to the processes in the block; yields the numbers of those received."""
    received: list[int] = []

    def forward(number: int, frame: Any) -> None:
        received.append(number)
        for process in processes:
            process.send_signal(number)

    previous = {
        number: signal.signal(number, forward)
        for number in (signal.SIGINT, *TERMINATING)
        if signal.getsignal(number) != signal.SIG_IGN  # as under nohup
    }
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _kill_running(processes: Sequence[Process]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait(processes: Sequence[Process], received: Sequence[int]) -> list[int]:
    """Waits until all have ended; returns those that failed, the first one first."""
    failed: list[int] = []
    kill_at = float("inf")
    running = list(processes)
    while running:
        time.sleep(POLLING_S)
        running = [process for process in running if process.poll() is None]
        failed += [
            rank for rank, each in enumerate(processes) if each.returncode and rank not in failed
        ]
        if failed or not TERMINATING.isdisjoint(received):
            kill_at = min(kill_at, time.monotonic() + ENDING_S)
        if time.monotonic() >= kill_at:
            for process in running:
                process.kill()
    return failed


def _exit_code(
    codes: Sequence[int], failed: Sequence[int], received: Sequence[int], outputs: Sequence[IO[str]]
) -> int:
    for number in TERMINATING.intersection(received):
        raise SystemExit(128 + number)
    if codes[0] > 0 and codes[0] != LOST_PROCESS:
        return codes[0]
    if failed and received:
        raise KeyboardInterrupt
    # A process may notice the loss of another one before this process does.
    causes = [rank for rank in failed if codes[rank] != LOST_PROCESS]
    if not causes and failed:
        raise LostProcessError("the processes lost contact with each other")
    if not causes:
        return 0
    first = causes[0]
    if codes[first] > 0:
        outputs[first].seek(0)
        sys.stderr.write(outputs[first].read())
        return codes[first]
    name = signal.Signals(-codes[first]).name
    raise LostProcessError(f"process {first} was ended by {name}, and the others with it")
