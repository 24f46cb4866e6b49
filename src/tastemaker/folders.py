"""Folders that are complete or absent: their manifests, and files that appear as a whole."""

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from filelock import FileLock, Timeout

from tastemaker.errors import ArtifactError

FORMAT = 2
"""Version of the layout; it is increased when older code could not read a newer layout."""

RECORDED_VERSIONS = ("tastemaker", "torch", "lightning", "polars", "numpy")

MANIFEST = "manifest.json"
TEMPORARY = ".tmp-"
"""Start of the names of files that are being written."""
LARGEST_JSON_BYTES = 64 << 20


def claim(folder: Path, kind: str, entries: dict[str, Any]) -> None:
    """Marks a folder that is written step by step with its kind, as `refuse_other_kind` requires.

    Args:
        folder: the folder; it is created if it does not exist yet.
        kind: the kind of artifact.
        entries: further entries of the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / MANIFEST) as temporary:
        text = json.dumps({"kind": kind, "format": FORMAT} | entries, indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary file to write to, which replaces the path when the `with` block ends.

    Several processes may replace the same path at once; the last one to end wins.
    """
    temporary = path.with_name(f"{TEMPORARY}{uuid4().hex}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def exclusive_lock(path: Path, timeout_s: float = 0.0) -> Iterator[None]:
    """Holds a lock on the folder that is written.

    The lock's file is in the folder for temporary files; the lock ends with the process.

    Args:
        path: the folder.
        timeout_s: seconds for which to wait for another process.

    Raises:
        ArtifactError: another process holds the lock.
    """
    name = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:16]
    lock = FileLock(Path(tempfile.gettempdir()) / f"tastemaker-{name}.lock")
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout:
        raise ArtifactError(
            f"{path}: another process is writing to this folder; wait for it, or choose another"
        ) from None
    try:
        yield
    finally:
        lock.release()


def previous_of(path: Path) -> Path:
    """Returns where a folder is kept when another one replaces it."""
    return path.with_name(f"{path.name}.previous")


def remove_existing(path: Path, previous: Path | None) -> None:
    """Makes way for a folder: renames what is at the path to `previous`, or deletes it."""
    if not path.exists():
        return
    if previous is None or not any(path.iterdir()):
        shutil.rmtree(path)
        return
    shutil.rmtree(previous, ignore_errors=True)
    path.rename(previous)


def refuse_other_kind(path: Path, kind: str) -> None:
    """Raises ArtifactError if writing to the path would overwrite anything of another kind.

    A folder whose manifest is being written by another process counts as empty.
    """
    if path.is_dir():
        empty = all(file.name.startswith(TEMPORARY) for file in path.iterdir())
        if empty or kind_of(path) == kind:
            return
        raise ArtifactError(f"{path} is a folder, but not a {kind}; choose another path")
    if path.exists():
        raise ArtifactError(f"{path} is a file; give a folder that does not exist yet")


def write_manifest(
    folder: Path, kind: str, files: dict[str, dict[str, Any]], **entries: Any
) -> None:
    """Writes the manifest of a folder, as the last of its files.

    Args:
        folder: the folder.
        kind: the kind of the folder.
        files: what is recorded of each file, by name.
        **entries: further entries.
    """
    manifest = {
        "kind": kind,
        "format": FORMAT,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in RECORDED_VERSIONS},
        },
        "files": files,
        **entries,
    }
    with (folder / MANIFEST).open("w", encoding="utf-8") as out:
        json.dump(manifest, out, indent=2)
        out.flush()
        os.fsync(out.fileno())


def read_manifest(path: Path, kind: str) -> dict[str, Any]:
    """Returns the manifest of a folder.

    Raises:
        ArtifactError: there is no such folder, it is of another kind, or was written by a newer
            version.
    """
    if not path.is_dir():
        if path.exists():
            raise ArtifactError(f"{path} is a file, not the folder of a {kind}")
        raise ArtifactError(f"{path}: there is no such folder")
    if not (path / MANIFEST).exists():
        raise ArtifactError(f"{path} is not a {kind}: it has no {MANIFEST}")
    manifest = read_json(path / MANIFEST)
    if not isinstance(manifest, dict) or (manifest.get("kind"), type(manifest.get("files"))) != (
        kind,
        dict,
    ):
        raise ArtifactError(f"{path} is not a {kind} according to its {MANIFEST}")
    _refuse_format(path, manifest)
    for name in manifest["files"]:
        if Path(name).name != name:
            raise ArtifactError(
                f"{path}: its {MANIFEST} names a file outside the folder ({name}), which is not "
                "read"
            )
        if not (path / name).is_file():
            raise ArtifactError(f"{path} is damaged: {name} is missing")
    return manifest


def kind_of(path: Path) -> str | None:
    """Returns the kind of a folder by its manifest; None if it has none."""
    try:
        manifest = read_json(path / MANIFEST)
    except (ArtifactError, OSError):
        return None
    return manifest.get("kind") if isinstance(manifest, dict) else None


def read_json(path: Path) -> Any:
    """Returns the content of a JSON file; raises ArtifactError if it is damaged or very large."""
    if path.stat().st_size > LARGEST_JSON_BYTES:
        raise ArtifactError(
            f"{path} is larger than any such file that tastemaker writes, and is not read"
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(f"{path} is damaged: {error}") from None


def read_array(path: Path, *, memory_map: bool) -> np.ndarray:
    """Returns the array of a .npy file, which is read-only if it is opened by memory map.

    Raises:
        ArtifactError: the file is damaged.
    """
    try:
        array = np.load(path, mmap_mode="r" if memory_map else None, allow_pickle=False)
    except (ValueError, OSError, EOFError):
        # The text of NumPy's error advises to unpickle the file.
        raise ArtifactError(f"{path} is damaged: it is not a complete .npy file") from None
    return array.view(np.ndarray)


def _refuse_format(path: Path, manifest: dict[str, Any]) -> None:
    stored_format, versions = manifest.get("format", 0), manifest.get("versions")
    if isinstance(stored_format, int) and stored_format <= FORMAT:
        return
    writer_version = versions.get("tastemaker") if isinstance(versions, dict) else None
    writer = f"tastemaker {writer_version}" if writer_version else "a later version of tastemaker"
    raise ArtifactError(
        f"{path} was written by {writer} in format {stored_format}; this version reads formats "
        f"up to {FORMAT}: upgrade tastemaker"
    )
