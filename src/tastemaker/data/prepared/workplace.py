"""The place where a folder is made: it appears as a whole, and leaves nothing else behind."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path

from tastemaker.data.prepared import engine
from tastemaker.data.prepared.folder import KIND
from tastemaker.errors import ArtifactError
from tastemaker.folders import exclusive_lock, refuse_other_kind, remove_existing

DISK_IS_FULL = ("No space left on device", engine.DISK_IS_FULL)
"""Parts of the messages of libraries that could not write."""


@dataclass(frozen=True)
class Workplace:
    """A temporary folder beside the folder that is made."""

    folder: Path
    result: Path
    """The folder that is made."""

    def new(self, name: str) -> Path:
        """Returns a new empty folder for temporary files."""
        path = self.folder / name
        path.mkdir()
        return path


@contextmanager
def workplace(out: Path) -> Iterator[Workplace]:
    """Yields the place to make a prepared data set, which appears at `out` after the block.

    What an earlier process has left there because it was killed is removed.

    Raises:
        ArtifactError: `out` exists and is no prepared data set, another process of this
            machine is making it, or the disk is full.
    """
    out = out.absolute()
    refuse_other_kind(out, KIND)
    if has_magic(str(out)):
        raise ArtifactError(f"{out}: the path must not contain any of the characters *?[")
    out.parent.mkdir(parents=True, exist_ok=True)
    work = out.with_name(f".{out.name}.preparing")
    with exclusive_lock(out):
        try:
            shutil.rmtree(work, ignore_errors=True)
            place = Workplace(work, work / "result")
            place.result.mkdir(parents=True)
            with _full_disk(out):
                yield place
            remove_existing(out, None)
            place.result.rename(out)
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _full_disk(out: Path) -> Iterator[None]:
    """Makes one error of those by which several libraries report a full disk."""
    try:
        yield
    except Exception as error:
        is_full = getattr(error, "errno", None) == errno.ENOSPC
        if is_full or any(text in str(error) for text in DISK_IS_FULL):
            raise ArtifactError(
                f"{out}: the disk is full; preparing needs about 50 bytes for each row there, more "
                "with long ids, and the unpacked source if it is compressed"
            ) from None
        raise
