"""Unseen users: the accuracy of each model for them, by the number of known interactions."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from tastemaker.evaluation.cold_start_results import ColdStartResult, ColdStartResults, LengthResult
from tastemaker.reports import takeaways
from tastemaker.reports.formats import counted, decimals, listed, metric_title
from tastemaker.reports.lines import ModelLine, line_figure
from tastemaker.reports.tables import Cell, Column, ReportTable, shaded

Results = dict[str, ColdStartResult]


@dataclass(frozen=True)
class ColdStartSection:
    """The section on unseen users: its conclusion, the method, the figure and the tables."""

    heading: str
    method: str = ""
    figure: Markup | None = None
    margin: str = ""
    """Mean half-width of the confidence intervals."""
    table: ReportTable | None = None
    details: tuple[ReportTable, ...] = ()
    """Tables that are collapsed by default."""
    failed: tuple[tuple[str, str], ...] = ()
    """Name and reason of each model that failed."""


def cold_start(results_by_model: ColdStartResults) -> ColdStartSection:
    """Builds the section."""
    results, failed = results_by_model.results, tuple(results_by_model.failed.items())
    if not results:
        return ColdStartSection("Unseen users: no model finished", failed=failed)
    first = next(iter(results.values()))
    metric, *others = first.lengths[0].metrics
    best = {
        at_length.length: max(result.lengths[i].metrics[metric] for result in results.values())
        for i, at_length in enumerate(first.lengths)
    }
    return ColdStartSection(
        takeaways.of_cold_start(results, metric),
        _describe_method(first),
        _figure(results, metric, best),
        _margin(results, metric),
        _table(
            metric_title(metric),
            results,
            lambda at_length: shaded(at_length.metrics[metric], best[at_length.length]),
        ),
        (
            _table(
                f"95% intervals of {metric_title(metric)}",
                results,
                lambda at_length: Cell(" to ".join(map(decimals, at_length.intervals[metric]))),
            ),
            *(_means_table(results, name) for name in others),
        ),
        failed,
    )


def _describe_method(result: ColdStartResult) -> str:
    users = counted(result.n_users, "user")
    lengths = listed([f"{at_length.length:,}" for at_length in result.lengths])
    return (
        f"{users}, {result.fraction:.0%} of those with two interactions or more, drawn with seed "
        f"{result.seed}, were held out entirely, and every model was trained a second time "
        "without them. "
        f"Given only the first {lengths} interactions of such a user, the model ranks the next "
        "item among the whole catalog without the known items."
    )


def _margin(results: Results, metric: str) -> str:
    ends = [
        at_length.intervals[metric] for result in results.values() for at_length in result.lengths
    ]
    return decimals(sum(high - low for low, high in ends) / len(ends) / 2, 3)


def _means_table(results: Results, metric: str) -> ReportTable:
    return _table(
        metric_title(metric), results, lambda at_length: Cell(decimals(at_length.metrics[metric]))
    )


def _table(metric_name: str, results: Results, cell: Callable[[LengthResult], Cell]) -> ReportTable:
    lengths = next(iter(results.values())).lengths
    return ReportTable(
        f"{metric_name} for unseen users, by number of known interactions",
        tuple(
            Column(f"{at_length.length:,} known", counted(at_length.n_users, "user"))
            for at_length in lengths
        ),
        tuple((name, tuple(map(cell, result.lengths))) for name, result in results.items()),
    )


def _figure(results: Results, metric: str, best: dict[int, float]) -> Markup:
    lines = [
        ModelLine(
            name,
            tuple(at_length.metrics[metric] for at_length in result.lengths),
            tuple(
                0 < best[at_length.length] == at_length.metrics[metric]
                for at_length in result.lengths
            ),
        )
        for name, result in results.items()
    ]
    description = "; ".join(
        f"{line.label}: "
        + ", ".join(
            f"{decimals(value)} after {length:,}"
            for length, value in zip(best, line.values, strict=True)
        )
        for line in lines
    )
    return line_figure(
        "new-users",
        lines,
        list(best),
        title=f"{metric_title(metric)} for unseen users",
        x_title="known interactions, logarithmic scale",
        y_title=metric_title(metric),
        description=f"{description}.",
    )
