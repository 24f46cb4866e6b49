"""Bundle: a trained model with its data, metrics and history, as a folder."""

import shutil
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from tastemaker import artifact
from tastemaker.bundle.encoder_files import read_encoders, write_encoders
from tastemaker.bundle.evaluation_files import METRICS_FILE, write_evaluation
from tastemaker.bundle.index_files import INDEX, item_keys, read_index, write_index
from tastemaker.bundle.split_files import TRAIN_FILES, read_split, write_split
from tastemaker.bundle.training_logs import log_of, record_of
from tastemaker.data.recommendations import Recommendations
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.errors import ArtifactError, ConfigError, SplitError
from tastemaker.evaluation.results import Evaluation
from tastemaker.folders import previous_of
from tastemaker.models.recommender import Id, Ids, Recommender
from tastemaker.models.registry import model_class
from tastemaker.progress import OnProgress
from tastemaker.ranking.approximate import ApproximateIndex
from tastemaker.ranking.filters import Eligible
from tastemaker.representation import short_repr
from tastemaker.training.run import DeviceName, resolve_device

RUN = "run"
"""The kind of folder that a run is."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """An open run folder: the model, ready to recommend, and the record of its training."""

    path: Path
    model: Recommender
    manifest: dict[str, Any]
    """Format, time, versions of the libraries and checksums."""
    evaluation: dict[str, Any] | None
    """The result of `Evaluation.to_dict`; None for a model that was saved without an evaluation."""
    training: dict[str, Any] | None
    """The epochs, the durations of the epochs and of the whole fit in seconds, and whether training
    was interrupted; None if the folder has no such record."""

    __repr__ = short_repr

    @property
    def split(self) -> Split:
        """The training data of the model and the held-out data."""
        return self.model.split

    def recommend(
        self,
        users: UserBatch | Ids | Id | None = None,
        k: int = 10,
        *,
        exclude_seen: bool | None = None,
        eligible: Eligible | None = None,
        diversity: float = 0.0,
        because: int = 0,
        approximate: bool = False,
    ) -> Recommendations:
        """Recommends items to users; see `Recommender.recommend`.

        With `approximate`, the run's index is searched instead of the whole catalog.
        """
        return self.model.recommend(
            users, k, exclude_seen=exclude_seen, eligible=eligible, diversity=diversity,
            because=because, index=self.index if approximate else None,
        )  # fmt: skip

    @cached_property
    def version(self) -> str:
        """Twelve hexadecimal digits that change with other data or another training."""
        checksums = sorted(entry["sha256"] for entry in self.manifest["files"].values())
        return sha256("".join(checksums).encode()).hexdigest()[:12]

    @cached_property
    def index(self) -> ApproximateIndex:
        """The approximate index, read when it is first used.

        Raises:
            ArtifactError: the run has no index, or one that was made for other weights.
        """
        return read_index(self.path, self.manifest, self.model)

    @property
    def has_index(self) -> bool:
        """Whether the run has an approximate index."""
        return (self.path / INDEX).exists()

    def with_index_read(self) -> Self:
        """Reads the approximate index now rather than at its first use; returns this bundle.

        Raises:
            ArtifactError: the run has no index, or one that was made for other weights.
        """
        _ = self.index
        return self

    def make_index(self, on_progress: OnProgress | None = None) -> ApproximateIndex:
        """Builds the approximate index and stores it in the run's folder.

        Args:
            on_progress: receives the number of items that are in the index so far.

        Raises:
            UnsupportedError: the model's scores are not inner products, or Faiss, which the index
                needs, is not installed.
        """
        index = ApproximateIndex.build(item_keys(self.model), on_progress)
        write_index(self.path, self.manifest, index)
        return index

    def similar_items(self, items: Ids | Id, k: int = 10) -> Recommendations:
        """Lists similar items; see `Recommender.similar_items`."""
        return self.model.similar_items(items, k)


def save_run(
    path: str | Path,
    model: Recommender,
    evaluation: Evaluation | None = None,
    logs: Path | None = None,
) -> Path | None:
    """Writes a run folder: the model, its split, its metrics and the log of its training.

    Args:
        path: the folder; an existing run is kept as `<path>.previous`, unless its training was
            interrupted.
        model: the fitted model.
        evaluation: the model's metrics, if it was evaluated.
        logs: a folder whose files (except checkpoints) are copied into the run folder.

    Returns:
        The folder of the previous run, or None if there was none or it was not kept.

    Raises:
        ArtifactError: something other than a run exists at the path.
        ConfigError: the model is not fitted.
    """  # fmt: skip
    path, split = Path(path), model.split
    # A run of an interrupted training is not worth keeping once that training was resumed.
    keep = not _was_interrupted(path)
    previous = previous_of(path) if keep and _exists(path) else None
    with artifact.writing(path, RUN, keep_previous=keep) as out:
        if logs is not None:
            ignored = shutil.ignore_patterns("checkpoints", "identity.json")
            shutil.copytree(logs, out.folder, dirs_exist_ok=True, ignore=ignored)
        description = {"model": model.name, "config": model.config.model_dump(mode="json")}
        out.json("model.json", description)
        out.tensors("weights.safetensors", model.state())
        write_encoders(out, model.encoders)
        write_split(out, split)
        if evaluation is not None:
            write_evaluation(out, evaluation)
        out.json("training.json", record_of(model.log))
    return previous


def _exists(path: Path) -> bool:
    return path.is_dir() and any(path.iterdir())


def _was_interrupted(path: Path) -> bool:
    try:
        training = artifact.reading(path, RUN).json("training.json")
    except ArtifactError:
        return False
    return bool(training["interrupted"])


OTHER_FORM = (KeyError, TypeError, ValueError, RuntimeError)
"""The errors of restoring a model from weights that another version has written."""


def open_split(path: str | Path) -> Split:
    """Returns the split that a run folder's model was trained on, without reading the model.

    Raises:
        ArtifactError: the folder is not a run, is damaged, or is from a newer version.
    """
    try:
        return read_split(artifact.reading(Path(path), RUN))
    except (SplitError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{path} cannot be opened: {error}; another version of tastemaker may have written it"
        ) from None


def open_run(path: str | Path, device: DeviceName = "cpu", *, memory_map: bool = False) -> Bundle:
    """Opens a run folder; nothing in it is unpickled.

    Args:
        path: the folder.
        device: the device for the model.
        memory_map: whether the training data stay on disk and only the parts in use are in memory,
            which all processes of a machine share. The folder must then stay as it is while the run
            is open. Runs of earlier versions are read into memory in any case.

    Raises:
        ArtifactError: the folder is not a run, is damaged, or is from a newer version.
    """
    on_device = resolve_device(device)
    # `read_split` reads the training data anyway, to compare them with their fingerprint.
    unchecked = TRAIN_FILES.values() if memory_map else ()
    source = artifact.reading(Path(path), RUN, memory_map=memory_map, unchecked=unchecked)
    try:
        description = source.json("model.json")
        split = read_split(source)
        kind = model_class(description["model"])
        config = kind.config_class.of(description["config"], description["model"])
        state = source.tensors("weights.safetensors")
        encoders = read_encoders(source)
        model = kind.from_state(config, split, state, on_device, encoders)
    except (ConfigError, SplitError, *OTHER_FORM) as error:
        raise ArtifactError(
            f"{path} cannot be opened: {error}; another version of tastemaker may have written it"
        ) from None
    training = source.json("training.json") if "training.json" in source else None
    if training is not None:
        model.log = log_of(training)
    metrics = source.json(METRICS_FILE) if METRICS_FILE in source else None
    return Bundle(Path(path), model, source.manifest, metrics, training)
