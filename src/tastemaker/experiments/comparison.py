"""Comparison: several models on one split; models that are in the folder are not trained again."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tastemaker.bundle.bundle import RUN
from tastemaker.data.split import Split
from tastemaker.errors import ConfigError, did_you_mean
from tastemaker.evaluation.cold_start import hold_out_users
from tastemaker.evaluation.evaluate import list_lengths
from tastemaker.evaluation.leaderboard import Correction
from tastemaker.evaluation.protocols import FullRanking, RankingProtocol
from tastemaker.experiments.comparison_files import COMPARISON, run_folder
from tastemaker.experiments.comparison_listener import ComparisonListener, listening
from tastemaker.experiments.comparison_result import ComparisonResult
from tastemaker.experiments.comparison_run import ComparisonRun, ModelWorkers
from tastemaker.experiments.model_runs import EvaluationPlan
from tastemaker.folders import refuse_other_kind
from tastemaker.metrics.accuracy import ACCURACY
from tastemaker.models.recommender import Recommender
from tastemaker.training.run import DeviceName, resolve_device


def compare(
    models: Mapping[str, Recommender] | Sequence[Recommender],
    split: Split,
    folder: str | Path,
    *,
    protocol: RankingProtocol | None = None,
    k: int | Sequence[int] = (10, 20),
    metric: str | None = None,
    correction: Correction = "holm",
    cold_start: bool = False,
    share: bool = False,
    workers: ModelWorkers | None = None,
    device: DeviceName = "auto",
    strict: bool = False,
    listener: ComparisonListener | None = None,
) -> ComparisonResult:
    """Trains and evaluates models on one split, and orders them.

    Each model becomes a run folder in `models/`, and is trained again only if its settings or the
    data have changed. A model that fails does not stop the others.

    Args:
        models: unfitted models, by label or with their names as labels.
        split: with a test part.
        folder: folder to make, or one of an earlier comparison.
        protocol: how held-out items are ranked; full ranking by default.
        k: length of list that is evaluated, or several.
        metric: metric that decides the order; ndcg at the first k by default.
        correction: correction of the p-values for the number of pairs of models.
        cold_start: whether to train every model a second time without a tenth of the users, and
            to evaluate it on them.
        share: whether other processes, which make the same call, train models of the comparison at
            the same time. Each takes a model that no other one is training, waits until all are
            there, and returns the whole result. A model that fails is tried by each of them. The
            folder is on a disk that they share.
        workers: trains the models on other machines, which share the disk of the folder; see
            `cluster.ray_models.train_models`. This process only opens them.
        device: where to compute.
        strict: as for `Recommender.fit`, for all models before the first of them is trained.
        listener: functions that are called while the comparison runs; by default a notebook shows
            a bar.

    Raises:
        ConfigError: an argument is wrong, or every model failed; or see `strict`.
        SplitError: the split has no test part, or no users can be held out.
        ArtifactError: the folder holds something else, or another process writes to it.
        KeyboardInterrupt: Ctrl-C came before the first model was finished.
    """
    lengths = list_lengths(k)
    with listening(listener, lambda: result.interrupted) as heard:
        comparison = ComparisonRun(
            by_label(models), Path(folder), deciding_metric(metric, lengths), correction, share,
            workers, device, heard,
        )  # fmt: skip
        refuse_early(comparison.folder, comparison.models, device)
        split.targets("test")
        if strict:
            for model in comparison.models.values():
                model.notes_on(split.train, strict=True)
        cold = hold_out_users(split) if cold_start else None
        result = comparison.run(
            EvaluationPlan(split, protocol or FullRanking(), tuple(lengths), cold)
        )
    return result


def by_label(models: Mapping[str, Recommender] | Sequence[Recommender]) -> dict[str, Recommender]:
    """The models by label; in a sequence their names are their labels.

    Raises:
        ConfigError: there are no models, or two of the same name; or one is no model, or a label
            cannot be the name of a folder.
    """
    if not isinstance(models, Mapping | Sequence) or isinstance(models, str):
        raise ConfigError(f"{models!r}: give models as a list, or by label: {{label: model, …}}")
    given = list(models.values()) if isinstance(models, Mapping) else list(models)
    for model in given:
        if not isinstance(model, Recommender):
            raise ConfigError(f"{model!r} is no model; give objects such as tm.EASE()")
    labelled = dict(models) if isinstance(models, Mapping) else {m.name: m for m in given}
    if len(labelled) < len(given):
        raise ConfigError("two models have the same name; give them labels: {label: model, …}")
    if not labelled:
        raise ConfigError("there is no model to compare")
    for label in labelled:
        if label in ("", ".", "..") or any(character in label for character in "/\\\0"):
            raise ConfigError(f'"{label}" cannot be a label, since it is no name of a folder')
    return labelled


def deciding_metric(metric: str | None, k: Sequence[int]) -> str:
    """The metric that decides the order, ndcg at the first k by default.

    Raises:
        ConfigError: it is not measured at these lengths of list.
    """
    lengths = list_lengths(k)
    measured = [f"{name}@{cutoff}" for cutoff in lengths for name in ACCURACY]
    if metric is not None and metric not in measured:
        raise ConfigError(f'metric="{metric}" is not measured; {did_you_mean(metric, measured)}')
    return metric or f"ndcg@{lengths[0]}"


def refuse_early(folder: Path, labels: Iterable[str], device: DeviceName) -> None:
    """Raises the errors of `compare` for these arguments, before any data are read."""
    refuse_other_kind(folder, COMPARISON)
    for label in labels:
        refuse_other_kind(run_folder(folder, label), RUN)
    resolve_device(device)
