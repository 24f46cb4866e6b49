"""Lists for all users, computed as shards on a Ray cluster."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from tastemaker.bundle.bundle import Bundle, open_run
from tastemaker.cluster.lists import write_shard
from tastemaker.cluster.ray_tasks import RayCluster
from tastemaker.cluster.shard import Shard
from tastemaker.models.retrieval import ListRules
from tastemaker.progress import Meter, OnProgress
from tastemaker.training.run import DeviceName

MIN_SHARDS = 64
USERS_PER_SHARD = 2**14
"""Shards have at most this many users, and there are at least MIN_SHARDS, if there are so many
users."""


def write_shards(
    cluster: RayCluster,
    run: Bundle,
    device: DeviceName,
    folder: Path,
    k: int,
    rules: ListRules,
    on_progress: OnProgress | None = None,
) -> None:
    """Writes the lists of all users in shards, except for shards that are there already.

    Args:
        cluster: the cluster; each of its workers opens the run once.
        run: the opened run, whose folder all nodes can read.
        device: where the workers compute.
        folder: the folder of the shards, which all nodes can write to.
        k: length of each list.
        rules: the rules of the lists; if they have an index, each worker opens that of the run.
        on_progress: receives the number of shards that are finished.

    Raises:
        TastemakerError: see `recommend_shard`; or a task was lost for good.
    """
    n_shards = _n_shards(run.split.train.n_users)
    shards = [Shard(number, n_shards) for number in range(1, n_shards + 1)]
    meter = Meter(on_progress, "computing shards", n_shards)
    approximate = rules.index is not None
    write = partial(_write, folder, k, replace(rules, index=None), approximate)
    for _ in cluster.run(partial(_open, run.path, device), write, shards):
        meter.advance()


def _n_shards(n_users: int) -> int:
    """Returns a number that depends on the users alone.

    An interrupted command can therefore be continued on a cluster of another size.
    """
    return max(1, min(n_users, MIN_SHARDS), -(-n_users // USERS_PER_SHARD))


def _open(run: Path, device: DeviceName) -> Bundle:
    return open_run(run, device, memory_map=True)


def _write(
    folder: Path, k: int, rules: ListRules, approximate: bool, run: Bundle, shard: Shard
) -> None:
    write_shard(run, shard, folder, k, replace(rules, index=run.index if approximate else None))
