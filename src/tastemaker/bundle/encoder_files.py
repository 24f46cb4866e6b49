"""Stores the encoders of features as files of an artifact: readable JSON, and arrays."""

from typing import Any

import torch

from tastemaker.artifact import ArtifactReader, ArtifactWriter
from tastemaker.data.features import Encoders, FeatureEncoder

FILE, ARRAYS_FILE = "features.json", "features.safetensors"


def write_encoders(out: ArtifactWriter, encoders: Encoders | None) -> None:
    """Writes the encoders of a model; nothing for a model that reads no features."""
    if encoders is None:
        return
    description: dict[str, Any] = {}
    tensors: dict[str, torch.Tensor] = {}
    for part, encoder in encoders._asdict().items():
        if encoder is not None:
            description[part], arrays = encoder.state()
            tensors |= {f"{part}/{name}": torch.from_numpy(each) for name, each in arrays.items()}
    out.json(FILE, description)
    if tensors:
        out.tensors(ARRAYS_FILE, tensors)


def read_encoders(source: ArtifactReader) -> Encoders | None:
    """Reads what `write_encoders` wrote; None if it wrote nothing.

    Raises:
        ArtifactError: a file is damaged.
    """
    if FILE not in source:
        return None
    tensors = source.tensors(ARRAYS_FILE) if ARRAYS_FILE in source else {}
    encoders = {}
    for part, description in source.json(FILE).items():
        arrays = {
            name: tensors[f"{part}/{name}"].numpy()
            for name in description
            if f"{part}/{name}" in tensors
        }
        encoders[part] = FeatureEncoder.from_state(description, arrays)
    return Encoders(**encoders)
