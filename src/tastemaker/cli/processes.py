"""Training by several processes: those that torchrun has started, or --devices."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import typer

from tastemaker.bundle.unfinished import unfinished_folder
from tastemaker.cli.common import be_quiet, environment, err, note
from tastemaker.cli.resuming import resume_hint
from tastemaker.cluster.group import Place, joined, refuse_too_few_devices
from tastemaker.cluster.launch import LAUNCHED, LOST_PROCESS, launch
from tastemaker.errors import ClusterError, ConfigError, LostProcessError, TastemakerError
from tastemaker.training.run import DeviceName, resolve_device

MOST_ON_FEW_CORES = 8
"""Largest number of processes on a machine with fewer cores, to try a setup."""


def launch_copies(n: int, device: DeviceName, run_folder: Path) -> int:
    """Runs this command again in n processes, and adds to the end of any error what was kept.

    Returns:
        The exit code (see `launch`).
    """
    most = max(MOST_ON_FEW_CORES, os.cpu_count() or 1)
    if n > most:
        raise ConfigError(f"--devices {n} is more than this machine can run; give at most {most}")
    refuse_too_few_devices(n, resolve_device(device))
    folder = unfinished_folder(run_folder)
    try:
        return launch([sys.executable, "-m", "tastemaker", *sys.argv[1:]], n, environment())
    except SystemExit:
        note(f"terminated; {resume_hint(folder)}")
        raise
    except KeyboardInterrupt:
        raise KeyboardInterrupt(resume_hint(folder)) from None
    except LostProcessError as error:
        raise LostProcessError(f"{error}; {resume_hint(folder)}") from None


@contextmanager
def joined_as_started(
    place: Place | None, device: DeviceName, devices: int, run_folder: Path
) -> Iterator[None]:
    """Takes part in the group that this process was started in, if any.

    Only process 0 prints; the others print only their errors in the training itself.

    Raises:
        ConfigError: `devices` is not the number of processes that torchrun has started.
        LostProcessError: another process ended, or cannot be reached.
        typer.Exit: the same, in a process that `launch_copies` has started, which reports it.
    """
    if place is None:
        yield
        return
    if place.rank > 0:
        be_quiet()
    if devices not in (1, place.n):
        raise ConfigError(
            f"--devices is {devices}, but torchrun has started {place.n} processes; leave it out"
        )
    try:
        with joined(place, resolve_device(device)):
            yield
    except LostProcessError as error:
        if LAUNCHED in environment():
            raise typer.Exit(LOST_PROCESS) from None
        hint = resume_hint(unfinished_folder(run_folder))
        raise LostProcessError(f"{error}; {hint}") from None


def end_helper(place: Place | None) -> None:
    """Ends this process at once if it is not process 0 of its group; its work is done.

    The threads by which it communicated can abort it while the interpreter ends, which would count
    as the loss of a process.
    """
    if place is not None and place.rank > 0:
        os._exit(0)


@contextmanager
def own_errors_shown(rank: int) -> Iterator[None]:
    """Lets a process that is quiet otherwise print the error of the block, with its number."""
    try:
        yield
    except (TastemakerError, OSError) as error:
        if rank == 0:
            raise
        err.quiet = False
        raise ClusterError(f"process {rank}: {error}") from None


def own_place() -> Place | None:
    """The place of this process in a group, from the variables that torchrun sets; or None.

    Raises:
        ConfigError: a variable is missing, or is not a number.
    """
    variables = environment()
    if "RANK" not in variables or "WORLD_SIZE" not in variables:
        return None
    _number("MASTER_PORT", variables)
    place = Place(
        rank=_number("RANK", variables),
        n=_number("WORLD_SIZE", variables),
        local_rank=_number("LOCAL_RANK", variables),
        local_n=_number("LOCAL_WORLD_SIZE", variables),
    )
    return place if place.n > 1 else None


def _number(name: str, variables: Mapping[str, str]) -> int:
    value = variables.get(name, "")
    if not value.isdecimal():
        raise ConfigError(
            f'RANK and WORLD_SIZE are set, but the environment variable {name} is "{value}"; '
            "start several processes with torchrun or --devices, or unset RANK"
        )
    return int(value)
