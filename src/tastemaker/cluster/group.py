"""Joins a group of processes that train one model, and keeps them in agreement.

The functions of `process_group` exchange sums and rows within the group.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from tastemaker.errors import ClusterError, ConfigError, LostProcessError, TastemakerError
from tastemaker.process_group import gathered, n_processes, process_rank, summed

LONGEST_WAIT_S = 600
"""Longest time in seconds that a process waits for another before it gives up."""


class Place(NamedTuple):
    """The place of this process among those that torchrun or `launch` have started."""

    rank: int
    """Number of this process, from 0."""
    n: int
    """Number of processes."""
    local_rank: int
    """Number of this process among those on the same machine, from 0."""
    local_n: int
    """Number of processes on the same machine."""


@contextmanager
def joined(place: Place, device: torch.device) -> Iterator[None]:
    """Joins the group in the block, unless Ray Train has done so.

    The address of the group is in the environment, as torchrun sets it.

    On GPUs, each process uses the one with its local rank.

    Raises:
        ConfigError: the device is not supported, or the machine has too few GPUs.
        LostProcessError: another process cannot be reached, ended, or did not respond for
            LONGEST_WAIT_S seconds.
    """
    refuse_too_few_devices(place.local_n, device)
    if device.type == "cuda":
        torch.cuda.set_device(place.local_rank)
    try:
        if not dist.is_initialized():  # by Ray Train
            timeout = timedelta(seconds=LONGEST_WAIT_S)
            dist.init_process_group(backend_for(device), timeout=timeout)
        yield
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo" in str(error):
            raise LostProcessError(
                f"process {place.rank} of {place.n} lost contact with another process"
            ) from error
        raise
    finally:
        leave()


def backend_for(device: torch.device) -> str:
    """Returns what the processes of a group exchange tensors with, by where they train."""
    return "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"


def refuse_too_few_devices(n: int, device: torch.device) -> None:
    """Checks that n processes can train on the devices of this machine.

    Raises:
        ConfigError: they cannot.
    """
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f'several processes cannot train on {device.type}; use device="cpu"')
    if device.type == "cuda" and n > torch.cuda.device_count():
        raise ConfigError(
            f"each process needs a GPU of its own, but there are {n} processes and "
            f"{torch.cuda.device_count()} GPUs on this machine"
        )


def wait_for_all() -> None:
    """Waits until all processes of the group have called this function."""
    summed(torch.zeros(1))


def leave() -> None:
    """Leaves the group: from now on, this process is alone, and the others may end."""
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def in_agreement() -> Iterator[None]:
    """Ends the block with an error in all processes if it fails in one by a user's mistake.

    Without this, the other processes would wait for one that has ended.

    Raises:
        TastemakerError: this process was the first one with an error.
        OSError: the same, for a file that cannot be read or written.
        ClusterError: another process was; the error has its text.
    """
    own_error: TastemakerError | OSError | None = None
    own_text = ""
    try:
        yield
    except (TastemakerError, OSError) as error:
        own_error, own_text = error, str(error) or type(error).__name__
    texts = _texts_of_all(own_text)
    first = next((rank for rank, text in enumerate(texts) if text), None)
    if own_error is not None and first == process_rank():
        raise own_error
    if first is not None:
        raise ClusterError(f"process {first}: {texts[first]}")


def require_same(values: Mapping[str, Any]) -> None:
    """Checks that all processes have the same values, which are stored as JSON.

    Raises:
        ClusterError: they have not; the error names the first difference.
    """
    of_first, *of_others = map(json.loads, _texts_of_all(json.dumps(values)))
    for rank, of_other in enumerate(of_others, start=1):
        for name, value in of_first.items():
            if of_other.get(name) != value:
                raise ClusterError(
                    f"process {rank} has {name} = {of_other.get(name)}, but process 0 has {value}; "
                    "start all processes with the same data and settings"
                )


def _texts_of_all(text: str) -> list[str]:
    """Returns the texts of all processes, in the order of their ranks."""
    if n_processes() == 1:
        return [text]
    own = torch.tensor(list(text.encode()), dtype=torch.uint8)
    lengths = gathered(torch.tensor([len(own)])).tolist()
    return [bytes(part.tolist()).decode() for part in gathered(own).split(lengths)]
