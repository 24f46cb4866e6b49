"""Finds what --resume continues, and describes what an interrupted training has kept."""

from pathlib import Path

from tastemaker.bundle.bundle import Bundle, open_run
from tastemaker.bundle.finished import find_finished
from tastemaker.bundle.training_logs import log_of
from tastemaker.bundle.unfinished import epochs_reached, has_checkpoint, has_unfinished
from tastemaker.data.split import Split
from tastemaker.errors import ArtifactError
from tastemaker.models.recommender import Recommender


def finished_run(path: Path, model: Recommender, split: Split) -> Bundle | None:
    """The run at the path if it is finished, so that nothing is left to resume.

    Args:
        path: path of the run, which need not exist.
        model: the unfitted model to resume.
        split: the split that it is trained on.

    Returns:
        The run with its log, or None if the run is unfinished or does not exist.

    Raises:
        ArtifactError: the run has other settings or data, or was interrupted and left no
            checkpoint.
    """
    if has_unfinished(path) or not path.exists():
        return None
    _, different = find_finished(path, model, split)
    if different is not None:
        raise ArtifactError(
            f"{path}: there is no checkpoint to resume from, and the existing run cannot be used: "
            f"{different}; leave out resume=True to train again"
        )
    bundle = open_run(path)
    bundle.model.log = log_of(bundle.training or {})
    return bundle


def resume_message(folder: Path) -> str:
    """Describes in one line the checkpoints in the folder of an unfinished run."""
    epochs = epochs_reached(folder)
    if not epochs:
        return "the interrupted training left no checkpoint: starting with epoch 1"
    if "" in epochs:
        return f"resuming after epoch {epochs['']}"
    parts = ", ".join(f"{name} after epoch {epoch}" for name, epoch in epochs.items())
    return f"resuming the training of the parts of the model: {parts}"


def resume_hint(folder: Path) -> str:
    """The end of the message about an interrupted training: what can be resumed."""
    if has_checkpoint(folder):
        return "run the same command with --resume to continue after the last finished epoch"
    return "no checkpoint was written, so nothing was kept"
