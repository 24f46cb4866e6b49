"""Reads the number of epochs of a checkpoint, without its tensors and without Lightning."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from tastemaker.errors import ArtifactError


def epochs_done(checkpoint: Path) -> int:
    """Returns the number of epochs that are done in a checkpoint of `SafetensorsIO`.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    try:
        with safe_open(checkpoint, framework="pt") as file:
            tree = json.loads((file.metadata() or {})["tree"])
        return int(dict(tree["dict"])["epoch"]) + 1
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise ArtifactError(f"{checkpoint} is not a readable checkpoint: {error}") from None
