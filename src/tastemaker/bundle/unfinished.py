"""The folder in which a run grows, `<run>.partial`: its logs and checkpoints until it is whole."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tastemaker.data.split import Split
from tastemaker.errors import ArtifactError
from tastemaker.models.recommender import Recommender
from tastemaker.training.reached import epochs_done

IDENTITY = "identity.json"


@contextmanager
def unfinished(
    path: Path, identity: dict[str, Any], *, resume: bool = False, restart: bool = False
) -> Iterator[Path]:
    """The folder to train in; it stays for a later resume where training did not finish.

    A block that ends normally removes it. One that fails leaves it if there is a checkpoint to go
    on from, and removes it otherwise.

    Args:
        path: where the finished run will be.
        identity: everything the result depends on; a resume must agree with it.
        resume: go on from what is there, which may have no checkpoint yet.
        restart: discard what is there.

    Raises:
        ArtifactError: there is an unfinished run and neither was asked for; nothing to resume; or
            what is there was begun with other settings or data (names the first).
    """
    path = path.absolute()
    with only_one(path):
        yield from _unfinished(path, identity, resume=resume, restart=restart)


def _unfinished(
    path: Path, identity: dict[str, Any], *, resume: bool, restart: bool
) -> Iterator[Path]:
    folder = _partial(path)
    if resume:
        _check_same(folder, identity)
    elif folder.exists():
        if not (folder / IDENTITY).is_file():
            raise ArtifactError(f"{folder}: is in the way, and not an unfinished run; move it")
        if has_checkpoint(folder) and not restart:
            raise ArtifactError(
                f"{folder}: holds an unfinished run; "
                "resume=True goes on with it, restart=True discards it"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / IDENTITY).write_text(json.dumps(identity, indent=2) + "\n", encoding="utf-8")
    try:
        yield folder
    except BaseException:
        if not has_checkpoint(folder):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder)


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Holds a lock on the folder to write.

    It lies among the temporary files and ends with the process.

    Raises:
        ArtifactError: another process holds it.
    """
    name = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:16]
    lock = FileLock(Path(tempfile.gettempdir()) / f"tastemaker-{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ArtifactError(
            f"{path}: another training is writing here; name another path=…"
        ) from None
    try:
        yield
    finally:
        lock.release()


def identity_of(model: Recommender, split: Split) -> dict[str, Any]:
    """Everything that the result of a training depends on."""
    return {
        "model": model.name,
        "config": model.config.model_dump(mode="json"),
        "fingerprint": split.train.fingerprint,
        "split": split.method,
    }


def can_resume(path: Path, identity: dict[str, Any]) -> bool:
    """Whether there is a checkpoint of an unfinished run at the path that was begun as this."""
    folder = _partial(path)
    try:
        _check_same(folder, identity)
    except ArtifactError:
        return False
    return has_checkpoint(folder)


def has_unfinished(path: Path) -> bool:
    """Whether there is an unfinished run at the path, with or without a checkpoint."""
    return (_partial(path) / IDENTITY).is_file()


def has_checkpoint(folder: Path) -> bool:
    """Whether there is anything to go on from, be it of a part that is trained first."""
    return any(folder.glob("**/checkpoints/last.*"))


def reached(folder: Path) -> dict[str, int]:
    """Epochs done by the name of the part that was trained; the whole model's name is empty."""
    lasts = sorted(folder.glob("**/checkpoints/last.*"))
    names = (last.parent.parent.relative_to(folder) for last in lasts)
    return {
        "" if name == Path() else name.as_posix(): epochs_done(last)
        for name, last in zip(names, lasts, strict=True)
    }


def _partial(path: Path) -> Path:
    path = path.absolute()
    return path.with_name(f"{path.name}.partial")


def _check_same(folder: Path, identity: dict[str, Any]) -> None:
    if not folder.exists():
        raise ArtifactError(f"nothing to resume: there is no unfinished run at {folder}")
    try:
        begun = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{folder}: is damaged: {error}; restart=True discards it") from None
    for key, now in _flat(identity).items():
        then = _flat(begun).get(key)
        if then != now:
            raise ArtifactError(
                f"{folder}: was begun with {key} = {then}, now it is {now}; "
                "resume with the same settings and data, or begin anew with restart=True"
            )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted keys; tuples as the lists that JSON makes of them."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat
