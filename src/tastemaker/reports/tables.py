"""The report's plain tables: all accuracy metrics, pairs of models, segments, list properties."""

from collections.abc import Callable
from dataclasses import dataclass

from tastemaker.evaluation.leaderboard import Leaderboard
from tastemaker.evaluation.results import Evaluation, mean
from tastemaker.evaluation.segments import Segment
from tastemaker.metrics.accuracy import ACCURACY
from tastemaker.reports.formats import (
    ABSENT,
    counted,
    decimals,
    metric_title,
    missing,
    p_value,
    percent,
)

LIST_PROPERTIES: dict[str, Callable[[float | None], str]] = {
    "long_tail_fraction": percent,
    "long_tail_lift": lambda value: decimals(value, 2),
    "average_popularity": lambda value: decimals(value, 1),
    "coverage": percent,
    "gini": lambda value: decimals(value, 3),
    "novelty": lambda value: decimals(value, 2),
    "diversity": lambda value: decimals(value, 3),
    "embedding_diversity": lambda value: decimals(value, 3),
    "miscalibration": lambda value: decimals(value, 3),
}
"""Properties of lists beyond accuracy, and how their values are formatted."""


@dataclass(frozen=True)
class Cell:
    """One formatted value."""

    text: str
    heat: float = 0.0
    """From 0 to 1: how dark the cell is shaded."""
    best: bool = False
    """Whether it is highlighted: as the best of its column, or as a significant difference."""


@dataclass(frozen=True)
class Column:
    """The header of one column."""

    title: str
    note: str = ""


@dataclass(frozen=True)
class ReportTable:
    """A table with one row per model."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def every_accuracy(leaderboard: Leaderboard) -> ReportTable:
    """Returns all accuracy metrics at all list lengths."""
    ranked = leaderboard.ranked
    base = [name for name in ranked[0][1].per_user if name.partition("@")[0] in ACCURACY]
    return ReportTable(
        "All accuracy metrics, means over users",
        tuple(Column(metric_title(name)) for name in base),
        tuple(
            (entry.name, tuple(Cell(decimals(e.metrics.get(name))) for name in base))
            for entry, e in ranked
        ),
    )


def every_pair(leaderboard: Leaderboard) -> ReportTable:
    """Returns the corrected p-value of each pair of models."""
    names = [entry.name for entry, _ in leaderboard.ranked]

    def cell(one: str, other: str) -> Cell:
        if one == other:
            return Cell(ABSENT)
        pair = leaderboard.comparison(one, other)
        return Cell(
            p_value(pair.p_value) + (" *" if pair.significant else ""), best=pair.significant
        )

    return ReportTable(
        f"Corrected p-values of the difference in {metric_title(leaderboard.metric)}; "
        "* marks those below 0.05",
        tuple(Column(name) for name in names),
        tuple((name, tuple(cell(name, other) for other in names)) for name in names),
    )


def by_segment(leaderboard: Leaderboard, by: str) -> ReportTable | None:
    """Returns the main metric by segment of users or items; None if there are no such segments."""
    ranked, metric = leaderboard.ranked, leaderboard.metric
    parts = [segment for segment in ranked[0][1].segments if segment.by == by]
    if not parts:
        return None
    values = {
        entry.name: [_mean_in(evaluation, segment, metric) for segment in parts]
        for entry, evaluation in ranked
    }
    best = [
        max((row[i] for row in values.values() if not missing(row[i])), default=0.0)
        for i in range(len(parts))
    ]
    return ReportTable(
        f"{metric_title(metric)} by "
        + (
            "number of known interactions of the user"
            if by == "history"
            else "popularity of the held-out item"
        ),
        tuple(Column(segment.name, counted(segment.n_users, "user")) for segment in parts),
        tuple(
            (name, tuple(shaded(value, top) for value, top in zip(row, best, strict=True)))
            for name, row in values.items()
        ),
    )


def list_properties(leaderboard: Leaderboard, k: str) -> ReportTable | None:
    """Returns the properties of the lists of length k; None if they were not measured."""
    ranked = leaderboard.ranked
    measured = [
        name
        for name in LIST_PROPERTIES
        if any(f"{name}@{k}" in evaluation.metrics for _, evaluation in ranked)
    ]
    if not measured:
        return None
    return ReportTable(
        f"Properties of the lists of {k} items",
        tuple(Column(metric_title(name)) for name in measured),
        tuple(
            (entry.name, tuple(_property(evaluation, name, k) for name in measured))
            for entry, evaluation in ranked
        ),
    )


def shaded(value: float, best: float) -> Cell:
    """Formats a value, shaded darker the nearer it is to the best of its column."""
    if missing(value):
        return Cell(ABSENT)
    heat = value / best if best > 0 else 0.0
    return Cell(decimals(value), round(heat, 2), best=best > 0 and value == best)


def _property(evaluation: Evaluation, name: str, k: str) -> Cell:
    return Cell(LIST_PROPERTIES[name](evaluation.metrics.get(f"{name}@{k}")))


def _mean_in(evaluation: Evaluation, segment: Segment, metric: str) -> float:
    same = (s for s in evaluation.segments if (s.by, s.name) == (segment.by, segment.name))
    return next((mean(s.per_user[metric]) for s in same), float("nan"))
