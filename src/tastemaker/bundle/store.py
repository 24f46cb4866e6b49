"""The store: the shelf of versions that were trained while a run was served."""

import re
import shutil
from pathlib import Path

KEPT = 5
"""Versions that stay on the shelf, the newest."""


class Store:
    """Run folders in `<run>.versions`, numbered as they came."""

    def __init__(self, run: Path) -> None:
        self.folder = run.with_name(f"{run.name}.versions")

    def versions(self) -> list[Path]:
        """The folders, the oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(each for each in self.folder.iterdir() if re.fullmatch(r"\d{4,}", each.name))

    def next_place(self) -> Path:
        """Where the next version goes."""
        newest = self.versions()[-1:]
        return self.folder / f"{int(newest[0].name) + 1 if newest else 1:04d}"

    def prune(self, needed: set[Path]) -> None:
        """Removes the oldest versions.

        Args:
            needed: folders that stay whatever their age: the one that serves, and the one to go
                back to.
        """
        kept = {path.resolve() for path in needed}
        for path in self.versions()[:-KEPT]:
            if path.resolve() not in kept:
                shutil.rmtree(path)
