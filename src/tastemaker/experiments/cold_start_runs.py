"""The second training of a compared model, without some users; its result is kept in the run."""

from dataclasses import dataclass
from pathlib import Path

from tastemaker import artifact
from tastemaker.artifact import ArtifactReader
from tastemaker.bundle.bundle import RUN
from tastemaker.evaluation.cold_start import ColdStart, evaluate_cold_start
from tastemaker.evaluation.cold_start_results import ColdStartResult
from tastemaker.experiments.model_runs import Listener, adding_files, trained_in
from tastemaker.models.recommender import Recommender
from tastemaker.training.run import DeviceName

RESULT = "cold_start.json"


@dataclass(frozen=True)
class ColdStartModelResult:
    """The result of one model."""

    result: ColdStartResult
    how: str
    """Whether the model was trained, or what was reused."""


def train_and_evaluate_cold_start(
    path: Path, model: Recommender, cold: ColdStart, device: DeviceName, listener: Listener
) -> ColdStartModelResult:
    """Trains a second model with the same settings without some users, and evaluates it on them.

    The result is stored in the run folder of the first model, and used again while that run
    exists. The second model is not kept.

    Args:
        path: the finished run folder of the first model.
        model: the first model; the second has its settings.
        cold: the users to hold out; made from the split of the run.
        device: where to compute.
        listener: receives the progress.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was trained can be resumed by the same call.
        TastemakerError: the model cannot be trained on these data or with these settings.
    """
    source = artifact.reading(path, RUN)
    stored = _stored(source)
    if stored is not None and stored.protocol == cold.describe():
        return ColdStartModelResult(stored, "reused")
    second = type(model)(model.config)
    second_path = path.with_name(f"{path.name}.cold-start")
    with trained_in(second_path, second, cold.split, device, listener) as (_, resumed):
        listener.on_stage("evaluating")
        result = evaluate_cold_start(second, cold, on_progress=listener.on_progress)
        with adding_files(source) as out:
            out.json(RESULT, result.to_dict())
    return ColdStartModelResult(result, "training resumed" if resumed else "trained")


def _stored(source: ArtifactReader) -> ColdStartResult | None:
    return ColdStartResult.from_dict(source.json(RESULT)) if RESULT in source else None
