"""Quality: the metrics of a model, beside those of the baselines and the previous model."""

from dataclasses import dataclass
from typing import Any

from tastemaker import wire
from tastemaker.metrics.names import REDUNDANT_WITH_ONE_TARGET, title
from tastemaker.web.charts import IntervalBar, whisker


@dataclass(frozen=True)
class MetricLine:
    """One metric."""

    name: str
    value: float
    low: float
    high: float
    others: list[tuple[str, float]]
    """The other models that were measured, and their values."""
    whisker: IntervalBar
    verdict: str


def quality(figures: dict[str, Any] | None) -> list[MetricLine]:
    """The accuracy metrics of an evaluation with their intervals, without redundant ones."""
    figures = figures or {}
    intervals = figures.get("intervals") or {}
    other_models = dict(figures.get("baseline") or {})
    if figures.get("before"):
        other_models["the previous model"] = figures["before"]
    metrics = figures.get("metrics") or {}
    cutoffs = {name.partition("@")[2] for name in metrics}
    one_target = all(metrics.get(f"recall@{k}") == metrics.get(f"hit_rate@{k}") for k in cutoffs)
    lines = []
    for name, value in metrics.items():
        base = name.partition("@")[0]
        if name not in intervals or (one_target and base in REDUNDANT_WITH_ONE_TARGET):
            continue
        low, high = intervals[name]
        others = [
            (model_name, model_metrics[name])
            for model_name, model_metrics in other_models.items()
            if name in model_metrics
        ]
        values = [other for _, other in others]
        interval_bar = whisker(low, value, high, values, 1.08 * max([value, high, *values, 1e-9]))
        verdict = _verdict(low, high, others)
        lines.append(MetricLine(title(name), value, low, high, others, interval_bar, verdict))
    return lines


def standings(board: wire.LeaderboardResponse) -> list[tuple[wire.LeaderboardModel, IntervalBar]]:
    """The models of a comparison with their intervals of the main metric, on one scale."""
    ends = [model.intervals[board.metric] for model in board.models]
    top = 1.05 * max((high for _, high in ends), default=1.0)
    return [
        (model, whisker(low, model.metrics[board.metric], high, [], top))
        for model, (low, high) in zip(board.models, ends, strict=True)
    ]


def _verdict(low: float, high: float, others: list[tuple[str, float]]) -> str:
    """Whether the interval lies above or below each other model's value, or contains it."""
    parts = []
    for model_name, value in others:
        relation = (
            "above" if low > value else "below" if high < value else "not clearly different from"
        )
        parts.append(f"{relation} {model_name}")
    return ", ".join(parts)
