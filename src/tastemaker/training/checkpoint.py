"""Checkpoints as safetensors files, so that resuming never unpickles anything."""

import json
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO
from safetensors import SafetensorError
from safetensors.torch import save_file

from tastemaker.artifact import read_tensors
from tastemaker.errors import ArtifactError


class SafetensorsIO(CheckpointIO):
    """Stores Lightning's checkpoint (a tree of plain values and tensors) as one safetensors file.

    The tensors are the file's tensors; everything else is JSON in its header, with a reference in
    place of each tensor. A file is written under a temporary name and then renamed, so that the
    previous checkpoint remains intact if the process is killed.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Writes the checkpoint; `storage_options` are not used."""
        tensors: dict[str, torch.Tensor] = {}
        tree = json.dumps(_encode(checkpoint, tensors))
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.tmp")
        try:
            save_file(tensors, temporary, metadata={"tree": tree})
        except SafetensorError as error:
            temporary.unlink(missing_ok=True)
            raise ArtifactError(f"{target} cannot be written: {error}") from None
        temporary.replace(target)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a checkpoint.

        Args:
            path: the file.
            map_location: ignored; tensors are loaded on the CPU, and Lightning moves them.
            weights_only: ignored; nothing is ever unpickled.

        Raises:
            ArtifactError: the file is missing or damaged.
        """
        try:
            tensors, metadata = read_tensors(Path(path))
            return _decode(json.loads(metadata["tree"]), tensors)
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            raise ArtifactError(f"{path} is not a readable checkpoint: {error}") from None

    def remove_checkpoint(self, path: str | Path) -> None:
        """Removes the file."""
        Path(path).unlink(missing_ok=True)


def _encode(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        # A clone, since safetensors refuses tensors that share memory.
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
        # As pairs, since an optimizer's keys are integers, which JSON does not allow as keys.
        return {"dict": [[key, _encode(item, tensors)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_encode(item, tensors) for item in value]}
    if isinstance(value, list):
        return [_encode(item, tensors) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"a checkpoint can hold only plain values and tensors, not {type(value).__name__}"
    )


def _decode(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "tuple":
        return tuple(_decode(item, tensors) for item in content)
    return {key: _decode(item, tensors) for key, item in content}
