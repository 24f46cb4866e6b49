"""Prints the accuracy of models for unseen users."""

from typing import Any

from tastemaker.cli.common import out, table_of
from tastemaker.cli.flags import in_flags
from tastemaker.evaluation.cold_start_results import ColdStartResult, ColdStartResults, LengthResult
from tastemaker.metrics.names import MAIN_METRIC


def short_summary(result: ColdStartResult) -> str:
    """The metric after the shortest and the longest history, for a line of progress."""
    first_and_last = result.lengths[:: max(1, len(result.lengths) - 1)]
    values = ", ".join(f"{_value(point):.4f} after {point.length}" for point in first_and_last)
    return f"{MAIN_METRIC} {values}"


def print_cold_start(starts: ColdStartResults) -> None:
    """Prints the accuracy of each model for unseen users, by the length of their history."""
    for result in list(starts.results.values())[:1]:
        out.print(f"\nunseen users: {result.protocol}", style="bold", markup=False, soft_wrap=True)
        counts = ", ".join(f"{point.n_users:,} after {point.length}" for point in result.lengths)
        out.print(f"number of users: {counts}", style="dim", markup=False, soft_wrap=True)
    out.print(table_of(_row(name, result) for name, result in starts.results.items()))
    for name, reason in starts.failed.items():
        out.print(f"{name} failed: {in_flags(reason)}", style="bold yellow", markup=False)


def _row(name: str, result: ColdStartResult) -> dict[str, Any]:
    first, *others = result.lengths
    by_title = {f"{MAIN_METRIC} after {first.length}": first} | {
        f"after {point.length}": point for point in others
    }
    return {"model": name} | {title: _value(point) for title, point in by_title.items()}


def _value(point: LengthResult) -> float:
    return point.metrics[MAIN_METRIC]
