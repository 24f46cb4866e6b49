"""The second fit of a compared model, without some of the users; its result lies in the run."""

from dataclasses import dataclass
from pathlib import Path

from tastemaker import artifact
from tastemaker.artifact import ArtifactReader
from tastemaker.bundle.bundle import RUN
from tastemaker.evaluation.cold_start import ColdStart, evaluate_cold_start
from tastemaker.evaluation.cold_start_results import ColdStartResult
from tastemaker.experiments.answers import Listener, amending, trained_in
from tastemaker.models.recommender import Recommender
from tastemaker.training.run import DeviceName

RESULT = "cold_start.json"


@dataclass(frozen=True)
class ColdStartAnswer:
    """What came of one model."""

    result: ColdStartResult
    how: str
    """Whether it was trained now, or what could be used again."""


def cold_start_answer(
    path: Path, model: Recommender, cold: ColdStart, device: DeviceName, listener: Listener
) -> ColdStartAnswer:
    """Fits another model of the same settings without the unseen users, and asks it about them.

    The run knows the result from then on, and it is used again for as long as the run is: a run of
    other settings or data is another run. The second model itself is not kept.

    Args:
        path: the run folder of the model, finished.
        model: of which the settings are taken.
        cold: whom to keep apart; of the run's own split.
        device: where to compute.
        listener: is told how far it is.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was trained can be resumed by the same call.
        TastemakerError: whatever the model has to say against these data or settings.
    """
    source = artifact.reading(path, RUN)
    stored = _stored(source)
    if stored is not None and stored.protocol == cold.describe():
        return ColdStartAnswer(stored, "reused")
    second = type(model)(model.config)
    beside = path.with_name(f"{path.name}.cold-start")
    with trained_in(beside, second, cold.split, device, listener) as (_, resumed):
        listener.on_stage("evaluating")
        result = evaluate_cold_start(second, cold, on_progress=listener.on_progress)
        with amending(source) as out:
            out.json(RESULT, result.to_dict())
    return ColdStartAnswer(result, "training resumed" if resumed else "trained")


def _stored(source: ArtifactReader) -> ColdStartResult | None:
    return ColdStartResult.from_dict(source.json(RESULT)) if RESULT in source else None
