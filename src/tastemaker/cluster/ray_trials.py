"""Trials of a search as tasks on a Ray cluster, which share a storage."""

import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from tastemaker.cluster.ray_tasks import RayCluster
from tastemaker.data.split import Split
from tastemaker.experiments.search import POLL_S, Search, location_of, run_trial
from tastemaker.experiments.study import open_study
from tastemaker.training.run import DeviceName


def run_trials(
    cluster: RayCluster,
    read: Callable[[], Split],
    folder: Path,
    device: DeviceName,
    storage: str | Path | None,
    spec: Search,
    n: int,
    n_trials: int,
    ends_at: float,
) -> Iterator[Exception | None]:
    """Runs trials of a search; with the first five arguments given, it is a `Workers` of `search`.

    Args:
        cluster: the cluster.
        read: reads the split of the search; each worker calls it once.
        folder: the folder of the search, on a disk that all nodes share.
        device: where to train.
        storage: see `search`.
        spec: the search.
        n: number of trials to run.
        n_trials: total number of trials of the search.
        ends_at: seconds since 1970 at which no further trial begins.

    Yields:
        The error of each trial, if it has one, when it ends.

    Raises:
        TastemakerError: a worker cannot read the data or the storage, or was lost too often.
    """
    settings = {each.name: getattr(spec, each.name) for each in fields(spec)}
    del settings["split"]
    work = partial(_run_one, folder, storage, device, n_trials, ends_at)
    tasks = [uuid4().hex for _ in range(n)]
    for _, error in cluster.run(partial(_search, read, settings), work, tasks):
        yield error


def _search(read: Callable[[], Split], settings: dict[str, Any]) -> Search:
    return Search(split=read(), **settings)


def _run_one(
    folder: Path,
    storage: str | Path | None,
    device: DeviceName,
    n_trials: int,
    ends_at: float,
    spec: Search,
    task: str,
) -> Exception | None:
    """Runs one trial of a search, unless none is left to run; returns its error, if it has one."""
    with open_study(location_of(folder, storage), spec.identity(), spec.check()) as study:
        while len(study.trials()) < n_trials and time.time() < ends_at:
            begun = study.begin(n_trials, task)
            if begun is not None:
                return run_trial(spec, study, begun, device, on_progress=lambda progress: None)
            time.sleep(POLL_S)
    return None
