"""ShardSet: which shards of a set are finished, and their lists as one file."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tastemaker.cluster.shard import Shard
from tastemaker.cluster.shard_files import (
    ListSet,
    ShardRecord,
    read_record,
    record_path,
    shards_in,
    table_path,
)
from tastemaker.data.recommendations import write_table
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.progress import Meter, OnProgress
from tastemaker.representation import short_repr


@dataclass(frozen=True, eq=False)
class ShardSet:
    """The shards in a folder, whose checksums have been verified."""

    folder: Path
    n_shards: int
    finished: tuple[ShardRecord, ...]
    """Records of the finished shards, in the order of their numbers."""
    damaged: tuple[int, ...]
    """Numbers of the shards with a damaged file, ascending."""

    __repr__ = short_repr

    @property
    def finished_numbers(self) -> tuple[int, ...]:
        """Numbers of the finished shards, ascending."""
        return tuple(record.shard for record in self.finished)

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the other shards that are not finished, ascending."""
        others = {*self.finished_numbers, *self.damaged}
        return tuple(n for n in range(1, self.n_shards + 1) if n not in others)

    @property
    def lists(self) -> ListSet | None:
        """The run and the rules of the lists; None if no shard is finished."""
        return self.finished[0].lists if self.finished else None

    @property
    def n_users(self) -> int:
        """Number of users in the finished shards."""
        return sum(record.n_users for record in self.finished)

    @property
    def n_rows(self) -> int:
        """Number of rows in the finished shards."""
        return sum(record.n_rows for record in self.finished)

    def merge(self, path: str | Path) -> None:
        """Writes the lists of all users to one file, in the order of the users' codes.

        The lists are copied in small parts, so that memory does not grow with their number.

        Args:
            path: a file ending in .parquet, .csv or .jsonl; it appears only once it is complete.

        Raises:
            ArtifactError: shards are missing or damaged.
            ConfigError: the file would be among the shards; see also `write_table`.
        """
        if len(self.finished) < self.n_shards:
            unfinished = in_ranges(sorted((*self.missing, *self.damaged)))
            raise ArtifactError(
                f"{self.folder}: {len(self.finished):,} of {self.n_shards:,} shards are finished; "
                f"compute the others first: {unfinished}"
            )
        path = Path(path)
        if path.absolute().parent == self.folder.absolute():
            raise ConfigError(
                f"{path} would be among the shards, whose tables are read together; choose another "
                "folder"
            )
        shards = (Shard(number, self.n_shards) for number in range(1, self.n_shards + 1))
        tables = [table_path(self.folder, shard) for shard in shards]
        write_table(pl.scan_parquet(tables, glob=False, hive_partitioning=False), path)


def read_shards(folder: str | Path, on_progress: OnProgress | None = None) -> ShardSet:
    """Finds the shards in a folder, and verifies their checksums.

    Args:
        folder: the folder that `recommend_shard` wrote to.
        on_progress: receives the number of shards that are checked.

    Raises:
        ArtifactError: there is no such folder, it has no shards, or shards of several sets.
    """
    folder = Path(folder)
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "is not there"
        raise ArtifactError(f"{folder} {problem}; name the folder that shards were written to")
    found = sorted(shards_in(folder), key=lambda shard: shard.number)
    if not found:
        raise ArtifactError(
            f"{folder} has no shards; compute the first of 64 with: tastemaker recommend RUN --all "
            f"--shard 1/64 --out {folder}"
        )
    finished: list[ShardRecord] = []
    damaged: list[int] = []
    meter = Meter(on_progress, "checking shards", len(found))
    for shard in found:
        try:
            record = read_record(folder, shard)
        except ArtifactError:
            damaged.append(shard.number)
        else:
            finished += [] if record is None else [record]
        meter.advance()
    for record in finished:
        path = record_path(folder, Shard(record.shard, record.lists.n_shards))
        finished[0].lists.refuse_other(record.lists, path)
    return ShardSet(folder, found[0].count, tuple(finished), tuple(damaged))


def in_ranges(numbers: Iterable[int]) -> str:
    """Returns ascending numbers as schedulers take them: `3,7-12`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
