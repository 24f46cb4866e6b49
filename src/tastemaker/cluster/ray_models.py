"""The models of a comparison, each trained by a task on a Ray cluster."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from tastemaker.cluster.ray_tasks import RayCluster
from tastemaker.config import Config
from tastemaker.experiments.cold_start_runs import (
    ColdStartModelResult,
    train_and_evaluate_cold_start,
)
from tastemaker.experiments.comparison_files import run_folder
from tastemaker.experiments.model_runs import (
    EvaluationPlan,
    Listener,
    ModelResult,
    train_and_evaluate,
)
from tastemaker.models.recommender import Recommender
from tastemaker.training.run import DeviceName

Unfitted = Mapping[str, tuple[type[Recommender], Config]]
"""Class and config of each model, by label."""


def train_models(
    cluster: RayCluster,
    read: Callable[[], EvaluationPlan],
    models: Mapping[str, Recommender],
    folder: Path,
    device: DeviceName,
    labels: list[str],
    is_second: bool,
) -> Iterator[tuple[str, str | Exception]]:
    """Trains models; with the first five arguments given, it is `ModelWorkers` of `compare`.

    Args:
        cluster: the cluster.
        read: reads the data of the comparison; each worker calls it once.
        models: unfitted models by label.
        folder: the folder of the comparison, on a disk that all nodes share.
        device: where to train.
        labels: of the models to train.
        is_second: whether they are trained again without the users held out for cold start.

    Yields:
        Each label, when its model is trained, with how it was trained, or its error if it failed.

    Raises:
        LostProcessError: the workers of a task were lost too often.
    """
    unfitted = {label: (type(model), model.config) for label, model in models.items()}
    return cluster.run(read, partial(_train, unfitted, folder, device, is_second), labels)


def _train(
    models: Unfitted,
    folder: Path,
    device: DeviceName,
    is_second: bool,
    plan: EvaluationPlan,
    label: str,
) -> str | Exception:
    """Trains a model and saves it in its run folder; returns how, or the error if it failed."""
    kind, config = models[label]
    path, model = run_folder(folder, label), kind(config)
    try:
        result: ModelResult | ColdStartModelResult
        if is_second and plan.cold_start is not None:
            result = train_and_evaluate_cold_start(
                path, model, plan.cold_start, device, Listener(_ignore, _ignore)
            )
        else:
            result = train_and_evaluate(path, model, plan, device, Listener(_ignore, _ignore))
    except Exception as error:
        return error
    return result.how


def _ignore(_: object) -> None:
    """Receives the progress of a task, which is not shown."""
