"""Joins the Ray cluster that --ray gives."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tastemaker.cli.common import note
from tastemaker.cli.flags import in_flags
from tastemaker.cli.options import OnRay
from tastemaker.errors import ConfigError, LostProcessError

if TYPE_CHECKING:
    from tastemaker.cli.training import TrainingJob
    from tastemaker.cluster.ray_tasks import RayCluster
    from tastemaker.data.split import Split
    from tastemaker.experiments.comparison_run import ModelWorkers
    from tastemaker.experiments.model_runs import EvaluationPlan
    from tastemaker.experiments.search import Workers
    from tastemaker.models.recommender import Recommender
    from tastemaker.training.run import DeviceName


@contextmanager
def joined_ray(on_ray: OnRay, device: "DeviceName") -> Iterator["RayCluster | None"]:
    """Joins the cluster in the block, and prints where it is; yields None without --ray.

    Raises:
        UnsupportedError: Ray is not installed.
        ClusterError: there is no such cluster.
    """
    if on_ray.ray is None:
        yield None
        return
    # Imported here, since Ray is optional and takes seconds to import.
    from tastemaker.cluster.ray_tasks import joined

    with joined(on_ray.ray, on_ray.ray_cpus, int(device == "cuda")) as cluster:
        note(f"Ray cluster: {cluster}")
        if not cluster.can_run_tasks:
            gpu = " and a GPU" if cluster.gpus_per_task else ""
            note(f"no node has {cluster.cpus_per_task} CPUs{gpu}: tasks wait until one has joined")
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


def trial_workers(
    cluster: "RayCluster | None",
    read: Callable[[], "Split"],
    folder: Path,
    device: "DeviceName",
    storage: str | None,
) -> "Workers | None":
    """What runs the trials of a search on the cluster; None without one."""
    if cluster is None:
        return None
    from tastemaker.cluster.ray_trials import run_trials

    return partial(run_trials, cluster, read, folder, device, storage)


def model_workers(
    cluster: "RayCluster | None",
    read: Callable[[], "EvaluationPlan"],
    models: "Mapping[str, Recommender]",
    folder: Path,
    device: "DeviceName",
) -> "ModelWorkers | None":
    """What trains the models of a comparison on the cluster; None without one."""
    if cluster is None:
        return None
    from tastemaker.cluster.ray_models import train_models

    return partial(train_models, cluster, read, models, folder, device)


def train_on_ray(
    cluster: "RayCluster",
    job: "TrainingJob",
    read: Callable[[], "Split"],
    n: int,
    *,
    json: bool,
) -> None:
    """Runs a training job by n processes on the cluster, and prints what they print.

    Raises:
        KeyboardInterrupt: Ctrl-C; the message describes what was kept.
        LostProcessError: processes were lost too often.
    """
    from tastemaker.bundle.unfinished import unfinished_folder
    from tastemaker.cli.resuming import resume_hint
    from tastemaker.cli.training import run_on_ray
    from tastemaker.cluster.ray_training import train_together

    work = partial(run_on_ray, job, read, json)
    folder = unfinished_folder(job.run_folder)
    try:
        train_together(cluster, work, n, job.run_folder, _write)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(resume_hint(folder)) from None
    except LostProcessError as error:
        raise LostProcessError(f"{error}; {resume_hint(folder)}") from None


def _write(stream: str, text: str) -> None:
    file = sys.stdout if stream == "stdout" else sys.stderr
    file.write(in_flags(text))
    file.flush()
