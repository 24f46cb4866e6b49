"""Joins the Ray cluster that --ray gives."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tastemaker.cli.common import note
from tastemaker.cli.options import OnRay
from tastemaker.errors import ConfigError

if TYPE_CHECKING:
    from tastemaker.cluster.ray_tasks import RayCluster
    from tastemaker.data.split import Split
    from tastemaker.experiments.search import Workers
    from tastemaker.training.run import DeviceName


@contextmanager
def joined_ray(on_ray: OnRay, device: "DeviceName") -> Iterator["RayCluster"]:
    """Joins the cluster in the block, and prints where it is; --ray must be given.

    Raises:
        UnsupportedError: Ray is not installed.
        ClusterError: there is no such cluster, or it is too small.
    """
    assert on_ray.ray is not None
    # Imported here, since Ray is optional and takes seconds to import.
    from tastemaker.cluster.ray_tasks import joined

    with joined(on_ray.ray, on_ray.ray_cpus, int(device == "cuda")) as cluster:
        note(f"Ray cluster: {cluster}")
        yield cluster


def own_device(on_ray: OnRay, device: "DeviceName") -> "DeviceName":
    """The device of this process, which with --ray need not have those of the cluster."""
    return device if on_ray.ray is None else "cpu"


def refuse_stdin(data: str | None, on_ray: OnRay) -> None:
    """Raises ConfigError if DATA is standard input, which the nodes of a cluster cannot read."""
    if data == "-" and on_ray.ray is not None:
        raise ConfigError(
            "--ray cannot read standard input; write the data to a file that all nodes can read"
        )


@contextmanager
def trial_workers(
    on_ray: OnRay,
    read: Callable[[], "Split"],
    folder: Path,
    device: "DeviceName",
    storage: str | None,
) -> Iterator["Workers | None"]:
    """Yields what runs the trials of a search on the cluster; None without --ray."""
    if on_ray.ray is None:
        yield None
        return
    with joined_ray(on_ray, device) as cluster:
        from tastemaker.cluster.ray_trials import run_trials

        yield partial(run_trials, cluster, read, folder, device, storage)
