"""Recommends to the users of one shard, in a process of its own on any machine."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from tastemaker.artifact import sha256_of
from tastemaker.bundle.bundle import Bundle
from tastemaker.cluster.shard import Shard
from tastemaker.cluster.shard_files import (
    ListSet,
    ShardRecord,
    read_record,
    record_path,
    refuse_other_lists,
    table_path,
    write_record,
)
from tastemaker.data.dataset import Dataset
from tastemaker.data.recommendations import write_recommendations
from tastemaker.data.user_range import UserRange
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.models.retrieval import ListRules
from tastemaker.progress import OnProgress
from tastemaker.ranking.filters import ItemFilter


@dataclass(frozen=True)
class FinishedShard:
    """A shard whose lists are complete."""

    path: Path
    """The Parquet file with the lists."""
    n_users: int
    n_rows: int
    was_finished: bool
    """Whether the lists had been computed before, so that nothing was done."""


def recommend_shard(
    run: Bundle,
    shard: int,
    n_shards: int,
    folder: str | Path,
    k: int = 10,
    *,
    exclude_seen: bool | None = None,
    eligible: ItemFilter | None = None,
    diversity: float = 0.0,
    because: int = 0,
    approximate: bool = False,
    on_progress: OnProgress | None = None,
) -> FinishedShard:
    """Writes the lists of one shard of all users, unless they are there already.

    The users are divided into `n_shards` ranges of codes, so the shards of a set can be computed in
    any order, by any number of processes. A shard that is damaged is computed again.

    Args:
        run: the opened run; one process can compute many shards with it.
        shard: number of the shard, from 1 to `n_shards`.
        n_shards: number of shards of the set; it may exceed the number of users.
        folder: the folder of the set; it is created if it does not exist.
        k: length of each list.
        exclude_seen: see `Recommender.recommend`, as for the next three.
        eligible: items that may be recommended; all by default.
        diversity: from 0, the best by score, to 1, the least similar.
        because: number of items of the history that are given as reasons for each item.
        approximate: whether to search the run's index instead of the whole catalog.
        on_progress: receives the number of users whose lists are ready.

    Raises:
        ConfigError: there is no such shard, or the folder is a file; see also
            `Recommender.recommend`.
        ArtifactError: the folder has shards of another run, or by other rules.
    """  # fmt: skip
    rules = ListRules(
        exclude_seen, eligible, diversity, because, run.index if approximate else None
    )
    return write_shard(run, Shard(shard, n_shards), Path(folder), k, rules, on_progress)


def write_shard(
    run: Bundle,
    shard: Shard,
    folder: Path,
    k: int,
    rules: ListRules,
    on_progress: OnProgress | None = None,
) -> FinishedShard:
    """Writes the lists of one shard; see `recommend_shard`."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; shards are written to a folder")
    lists = _list_set(run, shard.count, k, rules)
    refuse_other_lists(folder, lists)
    path = table_path(folder, shard)
    record = _finished(folder, shard)
    if record is not None:
        lists.refuse_other(record.lists, record_path(folder, shard))
        return FinishedShard(path, record.n_users, record.n_rows, was_finished=True)
    folder.mkdir(parents=True, exist_ok=True)
    users = UserRange(run.split, shard.users(run.split.train.n_users))
    blocks = run.model.recommend_in_blocks(users, k, rules, on_progress)
    n_rows = write_recommendations(blocks, path)
    record = ShardRecord(
        lists=lists,
        shard=shard.number,
        n_users=len(users),
        n_rows=n_rows,
        sha256=sha256_of(path),
    )
    write_record(folder, shard, record)
    return FinishedShard(path, record.n_users, record.n_rows, was_finished=False)


def _finished(folder: Path, shard: Shard) -> ShardRecord | None:
    """Returns the record of the shard if it is finished and undamaged."""
    try:
        return read_record(folder, shard)
    except ArtifactError:
        return None


def _list_set(run: Bundle, n_shards: int, k: int, rules: ListRules) -> ListSet:
    return ListSet(
        model=run.model.name,
        run=run.version,
        n_shards=n_shards,
        k=k,
        exclude_seen=rules.excludes_seen(run.model.dataset),
        eligible=_checksum(rules.eligible, run.model.dataset),
        diversity=rules.diversity,
        because=rules.because,
        approximate=rules.index is not None,
    )


def _checksum(eligible: ItemFilter | None, dataset: Dataset) -> str | None:
    """Returns a checksum of the eligible items; None if all are eligible."""
    mask = None if eligible is None else eligible.mask(dataset)
    if mask is None or mask.all():
        return None
    return sha256(np.packbits(mask).tobytes()).hexdigest()[:12]
