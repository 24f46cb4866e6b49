"""How far a checkpoint is, read without its tensors and without importing Lightning."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from tastemaker.errors import ArtifactError


def epochs_done(checkpoint: Path) -> int:
    """How many epochs a checkpoint of `SafetensorsIO` holds.

    Raises:
        ArtifactError: there is none, or it is damaged.
    """
    try:
        with safe_open(checkpoint, framework="pt") as file:
            tree = json.loads((file.metadata() or {})["tree"])
        return int(dict(tree["dict"])["epoch"]) + 1
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise ArtifactError(f"{checkpoint}: is not a readable checkpoint: {error}") from None
