"""A folder on disk that is complete or absent: safetensors, JSON, Parquet and .npy with a manifest.

Nothing in it is ever unpickled. A folder is written with its checksums under a temporary name and
then renamed, so that a crash leaves the old folder (under its own name or `.previous`) or the
complete new one, never a part.
"""

import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tastemaker.errors import ArtifactError
from tastemaker.folders import (
    MANIFEST,
    previous_of,
    read_array,
    read_json,
    read_manifest,
    refuse_other_kind,
    remove_existing,
    write_manifest,
)
from tastemaker.forking import refuse_forked


class ArtifactWriter:
    """Writes the files of one artifact into a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []

    def json(self, name: str, value: Any) -> None:
        """Writes plain data as indented JSON; NaN and infinity are refused."""
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        self._add(name).write_text(text + "\n", encoding="utf-8")

    def tensors(self, name: str, tensors: dict[str, torch.Tensor]) -> None:
        """Writes named tensors, which may be on any device, as safetensors."""
        cpu_tensors = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        try:
            save_file(cpu_tensors, self._add(name))
        except SafetensorError as error:
            raise ArtifactError(f"{self.folder / name} cannot be written: {error}") from None

    def table(self, name: str, frame: pl.DataFrame) -> None:
        """Writes a table as Parquet."""
        frame.write_parquet(self._add(name))

    def array(self, name: str, array: np.ndarray) -> None:
        """Writes an array as .npy, which can be opened by memory map."""
        np.save(self._add(name), array, allow_pickle=False)

    def _add(self, name: str) -> Path:
        self.names.append(name)
        return self.folder / name


@contextmanager
def writing(path: Path, kind: str, *, keep_previous: bool = True) -> Iterator[ArtifactWriter]:
    """Writes an artifact: the `with` block writes its files, and it appears when the block ends.

    An existing artifact of the same kind becomes `<path>.previous`.

    Args:
        path: the folder to create.
        kind: the kind of artifact, so that one kind is not opened as another.
        keep_previous: whether to keep an existing artifact; otherwise it is deleted.

    Raises:
        ArtifactError: the path or `<path>.previous` exists and is neither an artifact of that kind
            nor an empty folder.
    """
    path = path.absolute()
    previous = previous_of(path)
    refuse_other_kind(path, kind)
    refuse_other_kind(previous, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        temporary.chmod(0o755)
        writer = ArtifactWriter(temporary)
        yield writer
        _record_files(writer, kind)
        remove_existing(path, previous if keep_previous else None)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@dataclass(frozen=True)
class ArtifactReader:
    """Reads the files of one artifact whose checksums have been verified."""

    folder: Path
    manifest: dict[str, Any]
    memory_map: bool = False
    """Whether arrays are opened by memory map, so that only the parts in use are in memory."""

    def __contains__(self, name: str) -> bool:
        return name in self.manifest["files"]

    def json(self, name: str) -> Any:
        """Returns plain data from a JSON file."""
        return read_json(self._path(name))

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        """Returns named tensors, on the CPU.

        Raises:
            ArtifactError: the file is damaged, or contains NaN or infinity: such weights would give
                empty lists, and Tastemaker never writes them.
        """
        path = self._path(name)
        try:
            tensors = read_tensors(path)[0]
        except (SafetensorError, OSError) as error:
            raise ArtifactError(f"{path} is damaged: {error}") from None
        for key, tensor in tensors.items():
            if not is_finite(tensor):
                raise ArtifactError(
                    f'{path}: "{key}" contains numbers that are not finite (NaN or infinity); '
                    f"create the {self.manifest['kind']} again"
                )
        return tensors

    def table(self, name: str) -> pl.DataFrame:
        """Returns a table from a Parquet file."""
        path = self._path(name)
        try:
            return pl.read_parquet(path, glob=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise ArtifactError(f"{path} is damaged: {error}") from None

    def array(self, name: str) -> np.ndarray:
        """Returns an array from a .npy file; it is read-only if it is opened by memory map."""
        return read_array(self._path(name), memory_map=self.memory_map)

    def _path(self, name: str) -> Path:
        if name not in self:
            raise ArtifactError(
                f"{self.folder} lacks {name}; create the {self.manifest['kind']} again"
            )
        return self.folder / name


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Reads a safetensors file: its tensors by name, on the CPU, and its metadata.

    The tensors are copies in PyTorch's own memory, which is aligned to 64 bytes. The file aligns
    them to 8 bytes only, and some processors multiply such matrices with another kernel, which is
    slower and rounds differently, so that a loaded model would not give the saved model's results.

    Raises:
        SafetensorError: the file is not a complete safetensors file.
        OSError: it cannot be read.
    """
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        return tensors, file.metadata() or {}


def is_finite(tensor: torch.Tensor) -> bool:
    """Returns whether all numbers of the tensor are finite; allocates no copy of the tensor."""
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return True
    # The extremes of a tensor with NaN are NaN.
    return all(math.isfinite(extreme) for extreme in tensor.aminmax())


def reading(
    path: Path, kind: str, *, memory_map: bool = False, unchecked: Container[str] = ()
) -> ArtifactReader:
    """Opens an artifact after checking that it is complete.

    Args:
        path: the folder.
        kind: the kind of artifact.
        memory_map: see `ArtifactReader.memory_map`.
        unchecked: names of files whose checksums are not verified, since the caller verifies their
            content when it reads them.

    Raises:
        ArtifactError: there is none, it is of another kind, was written by a newer version, or is
            damaged; the message names the file.
    """
    refuse_forked()
    manifest = read_manifest(path, kind)
    for name, recorded in manifest["files"].items():
        if name not in unchecked:
            _check(path, name, recorded)
    return ArtifactReader(path, manifest, memory_map)


def _record_files(writer: ArtifactWriter, kind: str) -> None:
    """Writes the manifest, with the checksums of all files."""
    files = {name: {"sha256": sha256_of(writer.folder / name)} for name in sorted(writer.names)}
    write_manifest(writer.folder, kind, files)
    for name in writer.names:
        # safetensors makes files readable by their owner only; a run may be shared like any file.
        shutil.copymode(writer.folder / MANIFEST, writer.folder / name)


def _check(path: Path, name: str, recorded: dict[str, str]) -> None:
    file = path / name
    if sha256_of(file) != recorded.get("sha256"):
        raise ArtifactError(f"{path} is damaged: {name} does not have the recorded checksum")


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 checksum of a file in hexadecimal digits, read in small parts."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
