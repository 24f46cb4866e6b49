"""Runs tasks on the nodes of a Ray cluster.

Tasks receive arguments, such as paths, rather than data: each worker reads what its tasks share
once, and keeps it.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from tastemaker.errors import ClusterError, LostProcessError, UnsupportedError

try:
    import ray
except ImportError:
    raise UnsupportedError(
        "ray=… needs the package ray; install it with: pip install 'tastemaker[ray]'"
    ) from None

AUTO = "auto"
"""The address of the cluster that runs on this machine, or of a new one for this process."""

MAX_RETRIES = 3
"""How often Ray runs a task again whose worker or node was lost."""

CONNECTING_S = 10.0
"""Timeout of a connection to the head node, in seconds."""

POLL_S = 0.2
"""Seconds between two looks at which tasks have ended."""

CANCELLING_S = 20.0
"""Longest time in seconds that cancelled tasks have to end."""

P = TypeVar("P")
A = TypeVar("A")
R = TypeVar("R")


@dataclass(frozen=True)
class RayCluster:
    """A Ray cluster that this process has joined."""

    address: str
    """Address of its head node, as host:port."""
    cpus_per_task: int = 1
    """CPUs that Ray reserves for each task, and threads that its computations use."""
    gpus_per_task: int = 0

    def __str__(self) -> str:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        resources = ray.cluster_resources()
        cpus, gpus = (int(resources.get(name, 0)) for name in ("CPU", "GPU"))
        return f"{self.address} (nodes: {len(nodes)}, CPUs: {cpus}, GPUs: {gpus})"

    @property
    def can_run_tasks(self) -> bool:
        """Whether a node is large enough for a task; if not, tasks wait until one has joined."""
        needed = {"CPU": self.cpus_per_task, "GPU": self.gpus_per_task}
        return any(
            node["Alive"] and all(node["Resources"].get(name, 0) >= n for name, n in needed.items())
            for node in ray.nodes()
        )

    def run(
        self, prepare: Callable[[], P], work: Callable[[P, A], R], arguments: Iterable[A]
    ) -> Iterator[tuple[A, R]]:
        """Calls a function once for each argument, on any node.

        Tasks whose worker or node is lost are run again. When a task raises an error, or the
        iterator is closed, the tasks that have not ended are cancelled.

        Args:
            prepare: makes what all calls share; each worker calls it once. It can be pickled, as
                are `functools.partial` objects of functions of modules.
            work: receives what `prepare` made and an argument; a function of a module.
            arguments: different and hashable values.

        Yields:
            Each argument, once its call has ended, with the result of the call.

        Raises:
            Exception: the error of a call.
            LostProcessError: the workers of a task were lost too often.
        """
        task = ray.remote(_run_task).options(
            num_cpus=self.cpus_per_task, num_gpus=self.gpus_per_task, max_retries=MAX_RETRIES
        )
        shared = ray.put((_Preparation(prepare, Path.cwd()), work))
        running = {task.remote(shared, argument): argument for argument in arguments}
        try:
            while running:
                with dropping_output_of_ray():
                    ended, _ = ray.wait(list(running), num_returns=len(running), timeout=POLL_S)
                for reference in ended:
                    yield running.pop(reference), _result_of(reference)
        finally:
            for reference in running:
                ray.cancel(reference)
            if running:
                ray.wait(list(running), num_returns=len(running), timeout=CANCELLING_S)


@contextmanager
def joined(address: str, cpus_per_task: int = 1, gpus_per_task: int = 0) -> Iterator[RayCluster]:
    """Joins a Ray cluster, and leaves it when the block ends.

    Args:
        address: host:port of the head node; or "auto" for the cluster in the environment variable
            RAY_ADDRESS, or else that of this machine, or else a new one, which consists of this
            machine and ends with the block.
        cpus_per_task: see `RayCluster`, as for the next.
        gpus_per_task: see above.

    Raises:
        ClusterError: there is no cluster at the address.
    """
    if address != AUTO:
        _refuse_unreachable(address)
    try:
        ray.init(
            None if address == AUTO else address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ClusterError(f'ray="{address}" cannot be joined: {first_line(error)}') from None
    try:
        yield RayCluster(ray.get_runtime_context().gcs_address, cpus_per_task, gpus_per_task)
    finally:
        with dropping_output_of_ray():
            ray.shutdown()


@contextmanager
def dropping_output_of_ray() -> Iterator[None]:
    """Drops what Ray prints in the block: after the loss of a node, its state and the message.

    It would be mixed with the results of this process, which are on standard output too.
    """
    with redirect_stdout(StringIO()):
        yield


def _refuse_unreachable(address: str) -> None:
    """Raises ClusterError if nothing listens at an address, for which Ray would wait minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ClusterError(
            f'ray="{address}" is not the address of a Ray cluster; give host:port of its head '
            'node, such as 10.0.0.1:6379, or ray="auto"'
        )
    try:
        socket.create_connection((host, int(port)), CONNECTING_S).close()
    except OSError as error:
        raise ClusterError(
            f'ray="{address}": there is no Ray cluster at this address ({error}); start one there, '
            'or give ray="auto"'
        ) from None


@dataclass(frozen=True)
class _Preparation:
    """What the tasks of one call of `run` share; equal only to copies of itself."""

    make: Callable[[], Any] = field(compare=False)
    folder: Path = field(compare=False)
    """The working directory of the process that calls `run`, to which paths are relative."""
    key: str = field(default_factory=lambda: uuid4().hex)


def _run_task(shared: tuple[_Preparation, Callable[[Any, Any], Any]], argument: Any) -> Any:
    preparation, work = shared
    return work(_prepared(preparation), argument)


@lru_cache(maxsize=1)
def _prepared(preparation: _Preparation) -> Any:
    """Returns what the tasks share; a worker makes it for its first task."""
    change_folder(preparation.folder)
    return preparation.make()


def _result_of(reference: Any) -> Any:
    """Returns the result of a task that has ended, or raises its error."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise LostProcessError(
            f"a task was started {MAX_RETRIES + 1} times on the Ray cluster, and its worker was "
            f"lost each time: {first_line(error)}"
        ) from None


def change_folder(folder: Path) -> None:
    """Makes a worker resolve paths as the process that has joined the cluster does.

    Raises:
        ClusterError: the folder does not exist on this node.
    """
    try:
        os.chdir(folder)
    except OSError as error:
        raise ClusterError(
            f"{folder}: {error.strerror} on the node {ray.util.get_node_ip_address()}; start the "
            "command in a folder that all nodes of the Ray cluster share"
        ) from None


def first_line(error: Exception) -> str:
    """Returns the first line of an error's text, or its type if it has none."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
