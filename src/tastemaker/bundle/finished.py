"""Checks whether a run folder holds a finished training of a model on a split."""

from pathlib import Path

import numpy as np

from tastemaker import artifact
from tastemaker.artifact import ArtifactReader
from tastemaker.bundle.bundle import RUN
from tastemaker.bundle.split_files import read_split
from tastemaker.bundle.unfinished import identity_of
from tastemaker.data.split import Split
from tastemaker.errors import ArtifactError
from tastemaker.models.recommender import Recommender


def find_finished(
    path: Path, model: Recommender, split: Split
) -> tuple[ArtifactReader | None, str | None]:
    """Returns the run at the path if it is of this model on this split, else what is different."""
    try:
        source = artifact.reading(path, RUN)
        difference = _difference(source, model, split)
    except ArtifactError as error:
        return None, str(error)
    return (source, None) if difference is None else (None, difference)


def _difference(source: ArtifactReader, model: Recommender, split: Split) -> str | None:
    stored, current = source.json("model.json"), identity_of(model, split)
    if stored["model"] != current["model"]:
        return f"the model was {stored['model']} and is now {current['model']}"
    stored_config, current_config = stored["config"], current["config"]
    for name in current_config | stored_config:
        if stored_config.get(name) != current_config.get(name):
            return f"{name} was {stored_config.get(name)} and is now {current_config.get(name)}"
    if source.json("training.json")["interrupted"]:
        return "its training was interrupted"
    if not _is_same_split(read_split(source), split):
        return "the data or the held-out parts were different"
    return None


def _is_same_split(one: Split, other: Split) -> bool:
    def identity(split: Split) -> tuple[str, str]:
        return split.method, split.train.fingerprint

    return (
        identity(one) == identity(other)
        and one.train.catalog.frame.equals(other.train.catalog.frame)
        and all(map(np.array_equal, one.held_out_arrays, other.held_out_arrays))
    )
