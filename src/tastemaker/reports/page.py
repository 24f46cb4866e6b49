"""Page: the data for the report's template, with all sentences and figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tastemaker.evaluation.cold_start_results import ColdStartResults
from tastemaker.evaluation.leaderboard import SIGNIFICANCE_LEVEL, Leaderboard
from tastemaker.evaluation.results import INTERVAL_SEED, Evaluation
from tastemaker.reports import takeaways
from tastemaker.reports.cold_start import ColdStartSection, cold_start
from tastemaker.reports.curves import Curve, curve_figures, curves
from tastemaker.reports.examples import Example
from tastemaker.reports.formats import counted, decimals, metric_title, missing, percent, seconds
from tastemaker.reports.standings import Standings, standings
from tastemaker.reports.tables import (
    ReportTable,
    by_segment,
    every_accuracy,
    every_pair,
    list_properties,
)
from tastemaker.reports.tail import chosen_fraction, tail_figure, tail_fractions
from tastemaker.reports.tradeoff import Point, tradeoff
from tastemaker.training.run import TrainingLog

CORRECTION_NAMES = {"holm": "Holm", "benjamini-hochberg": "Benjamini-Hochberg"}


@dataclass(frozen=True)
class FigureSection:
    """A section that consists of a sentence and a figure."""

    heading: str
    figure: Markup


@dataclass(frozen=True)
class ReportPage:
    """The data for the template."""

    title: str
    conditions: str
    """Users, split, part, protocol."""
    sampled: bool
    heading: str
    standings: Standings
    correction: str
    details: tuple[tuple[str, ReportTable], ...]
    """Collapsed tables below the leaderboard, with their titles."""
    time: FigureSection | None
    coverage: FigureSection | None
    curves_heading: str
    curves: list[tuple[Curve, Markup]]
    segments_heading: str
    segments: list[ReportTable]
    cold_start: ColdStartSection | None
    tail: FigureSection | None
    lists: ReportTable | None
    examples_heading: str
    examples: Sequence[Example]
    measured: frozenset[str]
    """Names, without k, of the metrics that the page explains."""
    interval_seed: int
    significant: float


def page(
    leaderboard: Leaderboard,
    logs: dict[str, TrainingLog],
    examples: Sequence[Example],
    cold_starts: ColdStartResults | None = None,
) -> ReportPage:
    """Gathers what the report shows; see `write_report`."""
    evaluations = [evaluation for _, evaluation in leaderboard.ranked]
    first = evaluations[0] if evaluations else None
    k = leaderboard.metric.partition("@")[2]
    shown_curves = curves(logs, leaderboard.metric)
    segments = [by_segment(leaderboard, by) for by in ("history", "popularity") if first]
    segment_tables = [table for table in segments if table is not None]
    return ReportPage(
        title=_title(leaderboard),
        conditions=_conditions(first) if first else "",
        sampled=first is not None and first.protocol.startswith("sampled"),
        heading=takeaways.of_leaderboard(leaderboard),
        standings=standings(leaderboard),
        correction=CORRECTION_NAMES[leaderboard.correction],
        details=_details(leaderboard),
        time=_time(leaderboard),
        coverage=_coverage(leaderboard, k),
        curves_heading=takeaways.of_curves(shown_curves),
        curves=curve_figures(shown_curves),
        segments_heading=takeaways.of_segments(segment_tables) if segment_tables else "",
        segments=segment_tables,
        cold_start=None if cold_starts is None else cold_start(cold_starts),
        tail=_tail(leaderboard, k),
        lists=list_properties(leaderboard, k) if first else None,
        examples_heading=takeaways.of_examples(examples),
        examples=examples,
        measured=frozenset(name.partition("@")[0] for e in evaluations for name in e.metrics),
        interval_seed=INTERVAL_SEED,
        significant=SIGNIFICANCE_LEVEL,
    )


def _title(leaderboard: Leaderboard) -> str:
    n_failed = len(leaderboard.entries) - len(leaderboard.ranked)
    if not leaderboard.ranked:
        return f"{counted(n_failed, 'model')} failed"
    compared = f"{counted(len(leaderboard.ranked), 'model')} compared"
    return f"{compared} on {leaderboard.ranked[0][1].dataset}" + (
        f", {n_failed} failed" if n_failed else ""
    )


def _conditions(evaluation: Evaluation) -> str:
    users = counted(evaluation.n_users, "user")
    return f"{users} · {evaluation.split} · {evaluation.part} part · {evaluation.protocol}"


def _details(leaderboard: Leaderboard) -> tuple[tuple[str, ReportTable], ...]:
    if not leaderboard.ranked:
        return ()
    tables = (("All accuracy metrics", every_accuracy(leaderboard)),)
    if len(leaderboard.ranked) == 1:
        return tables
    return (*tables, ("All pairs of models, with their p-values", every_pair(leaderboard)))


def _time(leaderboard: Leaderboard) -> FigureSection | None:
    times = {entry.name: entry.fit_s or float("nan") for entry, _ in leaderboard.ranked}
    points = _points(leaderboard, times)
    if not points:
        return None
    metric = metric_title(leaderboard.metric)
    figure = tradeoff(
        "time",
        points,
        title=f"{metric} against training time",
        x_title="training time, logarithmic scale",
        y_title=metric,
        description=_description(points, seconds),
        time=True,
    )
    return FigureSection(takeaways.of_time(leaderboard), figure)


def _coverage(leaderboard: Leaderboard, k: str) -> FigureSection | None:
    fractions = {
        entry.name: float(evaluation.metrics.get(f"coverage@{k}", float("nan")))
        for entry, evaluation in leaderboard.ranked
    }
    points = _points(leaderboard, fractions)
    if not points:
        return None
    metric = metric_title(leaderboard.metric)
    figure = tradeoff(
        "coverage",
        points,
        title=f"{metric} against coverage of the catalog",
        x_title=f"fraction of the catalog in at least one list of {k}",
        y_title=metric,
        description=_description(points, percent),
    )
    return FigureSection(takeaways.of_coverage(leaderboard, k), figure)


def _points(leaderboard: Leaderboard, x: dict[str, float]) -> list[Point]:
    """Returns one point for each model for which both numbers are known."""
    points = [
        Point(
            entry.name,
            x[entry.name],
            evaluation.metrics[leaderboard.metric],
            *evaluation.intervals[leaderboard.metric],
            near_best=not leaderboard.is_worse(entry.name),
        )
        for entry, evaluation in leaderboard.ranked
    ]
    return [point for point in points if not missing(point.x) and not missing(point.y)]


def _description(points: list[Point], format_x: Callable[[float], str]) -> str:
    return "; ".join(f"{p.label}: {decimals(p.y)} at {format_x(p.x)}" for p in points) + "."


def _tail(leaderboard: Leaderboard, k: str) -> FigureSection | None:
    fractions = tail_fractions(leaderboard, k)
    if not fractions:
        return None
    chosen = chosen_fraction([evaluation for _, evaluation in leaderboard.ranked], k)
    return FigureSection(takeaways.of_tail(fractions, chosen), tail_figure(fractions, chosen))
