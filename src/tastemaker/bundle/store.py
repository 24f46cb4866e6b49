"""The store: the model versions that were trained while a run was served."""

import re
import shutil
from pathlib import Path

from filelock import FileLock

MAX_VERSIONS = 5
"""Number of versions that are kept, the newest ones."""


class Store:
    """Run folders in `<run>.versions`, numbered in the order of their training."""

    def __init__(self, run: Path) -> None:
        self.folder = run.with_name(f"{run.name}.versions")

    def training_lock(self) -> FileLock:
        """The lock of the one process that trains for this run; not waited for."""
        return FileLock(self.folder / "learning.lock", timeout=0)

    def versions(self) -> list[Path]:
        """Returns the folders, the oldest first."""
        if not self.folder.is_dir():
            return []
        folders = self.folder.iterdir()
        versions = (folder for folder in folders if re.fullmatch(r"\d{4,}", folder.name))
        return sorted(versions, key=lambda folder: int(folder.name))

    def next_folder(self) -> Path:
        """Returns the folder for the next version."""
        newest = self.versions()[-1:]
        return self.folder / f"{int(newest[0].name) + 1 if newest else 1:04d}"

    def prune(self, needed: set[Path]) -> None:
        """Removes all versions but the newest MAX_VERSIONS and those in `needed`.

        Args:
            needed: folders to keep whatever their age: the version that is served, and the one to
                roll back to.
        """
        kept = {path.resolve() for path in needed}
        for path in self.versions()[:-MAX_VERSIONS]:
            if path.resolve() not in kept:
                shutil.rmtree(path)
