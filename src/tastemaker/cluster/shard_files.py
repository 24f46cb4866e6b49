"""The files of shards: a table of lists and a record with its checksum, for each shard."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tastemaker.artifact import sha256_of
from tastemaker.cluster.shard import Shard
from tastemaker.errors import ArtifactError
from tastemaker.folders import replacing


class ListSet(BaseModel):
    """What all shards of one set have in common: the run, and the rules of the lists."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """Name of the model."""
    run: str
    """`Bundle.version` of the run."""
    n_shards: int
    k: int
    exclude_seen: bool
    eligible: str | None
    """Checksum of the mask of the items that may be recommended; None if all may."""
    diversity: float
    because: int
    approximate: bool
    """Whether the approximate index was searched."""

    def refuse_other(self, other: "ListSet", path: Path) -> None:
        """Raises ArtifactError if `other`, to which the shard at the path belongs, differs."""
        own = self.model_dump()
        for name, value in other.model_dump().items():
            if value != own[name]:
                raise ArtifactError(
                    f"{path} is a shard of other lists ({name} is {value} instead of {own[name]}): "
                    "use a folder for each set of lists, or delete the shards of one"
                )


class ShardRecord(BaseModel):
    """The JSON file beside the table of a finished shard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lists: ListSet
    shard: int
    """Number of the shard, from 1."""
    n_users: int
    n_rows: int
    sha256: str
    """Checksum of the table."""


def table_path(folder: Path, shard: Shard) -> Path:
    """Returns the path of the shard's lists."""
    return folder / f"{shard.name}.parquet"


def record_path(folder: Path, shard: Shard) -> Path:
    """Returns the path of the shard's record."""
    return folder / f"{shard.name}.json"


def write_record(folder: Path, shard: Shard, record: ShardRecord) -> None:
    """Writes the record, which makes the shard a finished one, after its table."""
    with replacing(record_path(folder, shard)) as temporary:
        temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_record(folder: Path, shard: Shard) -> ShardRecord | None:
    """Returns the record of a shard that is finished; None if it is not.

    Raises:
        ArtifactError: a file of the shard is damaged.
    """
    path = record_path(folder, shard)
    table = table_path(folder, shard)
    if not (path.is_file() and table.is_file()):
        return None
    record = _parsed(path)
    if sha256_of(table) != record.sha256:
        raise ArtifactError(f"{table} is damaged: it does not have the recorded checksum")
    return record


def shards_in(folder: Path) -> set[Shard]:
    """Returns the shards of which there are files, finished or not.

    Raises:
        ArtifactError: they belong to sets of different numbers of shards.
    """
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    shards = {shard for name in names if (shard := Shard.of_file(name)) is not None}
    counts = sorted({shard.count for shard in shards})
    if len(counts) > 1:
        raise ArtifactError(
            f"{folder} has files of {counts[0]} and of {counts[1]} shards; delete one of the sets"
        )
    return shards


def refuse_other_lists(folder: Path, lists: ListSet) -> None:
    """Raises ArtifactError if the folder has other files, or shards of another run or other rules.

    Only one record is read, so that a folder with many shards is checked fast. `write_shard` and
    `read_shards` find the shards of another set that were written at the same time or copied.
    """
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    other = next((n for n in names if not n.startswith(".") and Shard.of_file(n) is None), None)
    if other is not None:
        raise ArtifactError(
            f"{folder} has other files, such as {other}: write shards to a folder of their own"
        )
    for shard in shards_in(folder):
        if shard.count != lists.n_shards:
            raise ArtifactError(
                f"{folder} has files of {shard.count} shards, not of {lists.n_shards}: use a "
                "folder for each set of lists, or delete these shards"
            )
        path = record_path(folder, shard)
        try:
            found = _parsed(path).lists
        except (ArtifactError, FileNotFoundError):
            continue  # the shard is damaged, or not finished
        lists.refuse_other(found, path)
        return


def _parsed(path: Path) -> ShardRecord:
    try:
        return ShardRecord.model_validate_json(path.read_bytes())
    except ValidationError:
        raise ArtifactError(f"{path} is damaged: it is not the record of a shard") from None
