"""Unseen users: the accuracy of each model for them, by the number of known interactions."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from tastemaker.evaluation.cold_start_results import AtLength, ColdStartResult, ColdStarts
from tastemaker.reports import takeaways
from tastemaker.reports.formats import counted, decimals, listed, metric_title
from tastemaker.reports.lines import ModelLine, line_figure
from tastemaker.reports.tables import Cell, Column, ReportTable, shaded

Results = dict[str, ColdStartResult]


@dataclass(frozen=True)
class ColdStartSection:
    """The section on unseen users: its conclusion, the method, the figure and the tables."""

    heading: str
    how: str = ""
    figure: Markup | None = None
    margin: str = ""
    """Mean half-width of the confidence intervals."""
    table: ReportTable | None = None
    details: tuple[ReportTable, ...] = ()
    """Tables that are collapsed by default."""
    failed: tuple[tuple[str, str], ...] = ()
    """Name and reason of each model that failed."""


def cold_start(starts: ColdStarts) -> ColdStartSection:
    """Builds the section."""
    results, failed = starts.results, tuple(starts.failed.items())
    if not results:
        return ColdStartSection("Unseen users: no model finished", failed=failed)
    first = next(iter(results.values()))
    metric, *others = first.lengths[0].metrics
    best = {
        at.length: max(result.lengths[i].metrics[metric] for result in results.values())
        for i, at in enumerate(first.lengths)
    }
    return ColdStartSection(
        takeaways.of_cold_start(results, metric),
        _how(first),
        _figure(results, metric, best),
        _margin(results, metric),
        _table(
            metric_title(metric), results, lambda at: shaded(at.metrics[metric], best[at.length])
        ),
        (
            _table(
                f"95% intervals of {metric_title(metric)}",
                results,
                lambda at: Cell(" to ".join(map(decimals, at.intervals[metric]))),
            ),
            *(_plain(results, name) for name in others),
        ),
        failed,
    )


def _how(result: ColdStartResult) -> str:
    users = counted(result.n_users, "user")
    lengths = listed([f"{at.length:,}" for at in result.lengths])
    return (
        f"{users}, {result.fraction:.0%} of those with two interactions or more, drawn with seed "
        f"{result.seed}, were held out entirely, and every model was trained a second time "
        "without them. "
        f"Given only the first {lengths} interactions of such a user, the model ranks the next "
        "item among the whole catalog without the known items."
    )


def _margin(results: Results, metric: str) -> str:
    ends = [at.intervals[metric] for result in results.values() for at in result.lengths]
    return decimals(sum(high - low for low, high in ends) / len(ends) / 2, 3)


def _plain(results: Results, metric: str) -> ReportTable:
    return _table(metric_title(metric), results, lambda at: Cell(decimals(at.metrics[metric])))


def _table(measured: str, results: Results, cell: Callable[[AtLength], Cell]) -> ReportTable:
    lengths = next(iter(results.values())).lengths
    return ReportTable(
        f"{measured} for unseen users, by number of known interactions",
        tuple(Column(f"{at.length:,} known", counted(at.n_users, "user")) for at in lengths),
        tuple((name, tuple(map(cell, result.lengths))) for name, result in results.items()),
    )


def _figure(results: Results, metric: str, best: dict[int, float]) -> Markup:
    lines = [
        ModelLine(
            name,
            tuple(at.metrics[metric] for at in result.lengths),
            tuple(0 < best[at.length] == at.metrics[metric] for at in result.lengths),
        )
        for name, result in results.items()
    ]
    told = "; ".join(
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
        description=f"{told}.",
    )
