"""Checks whether a run folder holds a finished training of a model on a split."""

from pathlib import Path
from typing import Any

import numpy as np

from tastemaker import artifact
from tastemaker.artifact import ArtifactReader
from tastemaker.bundle.bundle import RUN
from tastemaker.bundle.split_files import read_split
from tastemaker.bundle.unfinished import identity_of
from tastemaker.data.split import Split
from tastemaker.errors import ArtifactError
from tastemaker.models.recommender import Recommender
from tastemaker.training.run import TrainingLog


def log_of(training: dict[str, Any]) -> TrainingLog:
    """Returns the log that a run folder stores as `training.json`."""
    return TrainingLog(
        training["epochs"], training["best_epoch"], training["interrupted"], training.get("fit_s")
    )


def finished(
    path: Path, model: Recommender, split: Split
) -> tuple[ArtifactReader | None, str | None]:
    """Returns the run at the path if it is of this model on this split, else what is different."""
    try:
        source = artifact.reading(path, RUN)
        different = _difference(source, model, split)
    except ArtifactError as error:
        return None, str(error)
    return (source, None) if different is None else (None, different)


def _difference(source: ArtifactReader, model: Recommender, split: Split) -> str | None:
    then, now = source.json("model.json"), identity_of(model, split)
    if then["model"] != now["model"]:
        return f"the model was {then['model']} and is now {now['model']}"
    former, current = then["config"], now["config"]
    for name in current | former:
        if former.get(name) != current.get(name):
            return f"{name} was {former.get(name)} and is now {current.get(name)}"
    if source.json("training.json")["interrupted"]:
        return "its training was interrupted"
    if not _same(read_split(source), split):
        return "the data or the held-out parts were different"
    return None


def _same(one: Split, other: Split) -> bool:
    def facts(split: Split) -> tuple[str, str]:
        return split.method, split.train.fingerprint

    return (
        facts(one) == facts(other)
        and one.train.catalog.frame.equals(other.train.catalog.frame)
        and all(map(np.array_equal, _held_out(one), _held_out(other)))
    )


def _held_out(split: Split) -> list[Any]:
    """Returns the arrays of all held-out data, with None for each kind that does not exist."""
    parts = (split.validation, split.test, split.not_evaluated)
    arrays = [None if t is None else np.stack([t.users, t.items]) for t in parts]
    lists = split.candidates
    return [*arrays, *((None, None) if lists is None else (lists.items, lists.indptr))]
