"""--track: records the trainings of train and compare in a tracker, besides the run folders."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tastemaker.cli.common import note
from tastemaker.data.split import Split
from tastemaker.errors import UnsupportedError
from tastemaker.experiments.comparison_listener import ComparisonListener
from tastemaker.experiments.tracking import (
    ComparisonRecorder,
    Tracker,
    TrackerName,
    TrainingRecord,
)
from tastemaker.models.recommender import Recommender


def refuse_missing(name: TrackerName | None) -> None:
    """Raises UnsupportedError if the package of the tracker is not installed."""
    if name == "mlflow" and find_spec("mlflow") is None:
        raise UnsupportedError('--track mlflow needs MLflow: pip install "tastemaker[mlflow]"')


def opened(name: TrackerName | None) -> Tracker | None:
    """Returns a tracker that can be reached and has recorded nothing yet; None without a name.

    Raises:
        UnsupportedError: the package of the tracker is not installed.
        ConfigError: the tracker cannot be reached.
    """
    if name is None:
        return None
    refuse_missing(name)
    from tastemaker.experiments.mlflow_tracker import MlflowTracker

    tracker = MlflowTracker()
    note(f"recording with {name} at {tracker.address}")
    return tracker


@contextmanager
def recorded(
    tracker: Tracker | None, label: str, model: Recommender, split: Split
) -> Iterator[TrainingRecord]:
    """Begins the record of a training, and ends it if the block is left by an exception.

    Args:
        tracker: None to record nothing.
        label: name of the record.
        model: unfitted.
        split: what the model is trained on.
    """
    record = TrainingRecord(tracker, note)
    record.begin(label, model, split)
    try:
        yield record
    except Exception:
        record.end("failed")
        raise
    except BaseException:
        record.end("interrupted")
        raise


@contextmanager
def recording(
    name: TrackerName | None,
    models: Mapping[str, Recommender],
    split: Split,
    folder: Path,
    listener: ComparisonListener,
) -> Iterator[ComparisonListener]:
    """Adds a tracker to the listener of a comparison; see `opened` for the errors."""
    tracker = opened(name)
    if tracker is None:
        yield listener
        return
    recorder = ComparisonRecorder(tracker, models, split, folder, note, listener)
    try:
        yield recorder.listener()
    finally:
        recorder.end()
