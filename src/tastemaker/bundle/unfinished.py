"""The folder of an unfinished run, `<run>.partial`: logs and checkpoints until training is done."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tastemaker.data.split import Split
from tastemaker.errors import ArtifactError
from tastemaker.folders import exclusive_lock
from tastemaker.models.recommender import Recommender
from tastemaker.training.checkpoint_epochs import epochs_done

IDENTITY = "identity.json"


@contextmanager
def training_folder(
    path: Path, identity: dict[str, Any], *, resume: bool = False, restart: bool = False
) -> Iterator[Path]:
    """Yields the folder to train in, which is kept for a later resume if training does not finish.

    If the block ends normally, the folder is removed. If it fails, the folder is kept if it holds a
    checkpoint to resume from, and removed otherwise.

    Args:
        path: the folder of the finished run.
        identity: everything that the result depends on; it must be the same in a resume.
        resume: continue the unfinished run, which may have no checkpoint yet.
        restart: discard the unfinished run.

    Raises:
        ArtifactError: there is an unfinished run with a checkpoint, but neither `resume` nor
            `restart` is set; there is nothing to resume; the unfinished run was begun with other
            settings or data (names the first difference); the folder is not an unfinished run; or
            another process is training there.
    """
    path = path.absolute()
    with exclusive_lock(path):
        yield from _locked_folder(path, identity, resume=resume, restart=restart)


def _locked_folder(
    path: Path, identity: dict[str, Any], *, resume: bool, restart: bool
) -> Iterator[Path]:
    folder = unfinished_folder(path)
    if resume:
        _refuse_other_identity(folder, identity)
    elif folder.exists():
        if not (folder / IDENTITY).is_file():
            raise ArtifactError(
                f"{folder} exists already, but is not an unfinished run; move or delete it"
            )
        if has_checkpoint(folder) and not restart:
            raise ArtifactError(
                f"{folder} contains an unfinished run; continue it with resume=True, or discard it "
                "with restart=True"
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


def identity_of(model: Recommender, split: Split) -> dict[str, Any]:
    """Returns everything that the result of a training depends on."""
    return {
        "model": model.name,
        "config": model.config.model_dump(mode="json"),
        "fingerprint": split.train.fingerprint,
        "split": split.method,
        "held_out": split.held_out_fingerprint,
    }


def can_resume(path: Path, identity: dict[str, Any]) -> bool:
    """Returns whether the path has an unfinished run with this identity and a checkpoint."""
    folder = unfinished_folder(path)
    try:
        _refuse_other_identity(folder, identity)
    except ArtifactError:
        return False
    return has_checkpoint(folder)


def has_unfinished(path: Path) -> bool:
    """Returns whether there is an unfinished run at the path, with or without a checkpoint."""
    return (unfinished_folder(path) / IDENTITY).is_file()


def has_checkpoint(folder: Path) -> bool:
    """Returns whether there is a checkpoint to resume from, of the model or of a part of it."""
    return any(folder.glob("**/checkpoints/last.*"))


def epochs_reached(folder: Path) -> dict[str, int]:
    """Returns the epochs done by name of the trained part; the whole model's name is empty."""
    checkpoints = sorted(folder.glob("**/checkpoints/last.*"))
    names = (checkpoint.parent.parent.relative_to(folder) for checkpoint in checkpoints)
    return {
        "" if name == Path() else name.as_posix(): epochs_done(checkpoint)
        for name, checkpoint in zip(names, checkpoints, strict=True)
    }


def unfinished_folder(path: Path) -> Path:
    """Returns the folder of the unfinished run whose finished run will be at the path."""
    path = path.absolute()
    return path.with_name(f"{path.name}.partial")


def _refuse_other_identity(folder: Path, identity: dict[str, Any]) -> None:
    if not folder.exists():
        raise ArtifactError(f"nothing to resume: there is no unfinished run at {folder}")
    try:
        stored = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{folder} is damaged: {error}; discard it with restart=True") from None
    for key, value in flattened(identity).items():
        stored_value = flattened(stored).get(key)
        if stored_value != value:
            raise ArtifactError(
                f"{folder} was started with {key} = {stored_value}, but {key} is now {value}; "
                "resume with the same settings and data, or start again with restart=True"
            )


def flattened(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flattens nested dictionaries to dotted keys, and converts tuples to lists as JSON does."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat
