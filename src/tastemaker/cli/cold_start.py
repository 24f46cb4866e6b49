"""Prints the accuracy of models for unseen users."""

from typing import Any

from tastemaker.cli.common import out, table_of
from tastemaker.cli.wording import in_flags
from tastemaker.evaluation.cold_start_results import AtLength, ColdStartResult, ColdStarts
from tastemaker.metrics.names import MAIN_METRIC


def in_few_words(result: ColdStartResult) -> str:
    """The metric after the shortest and the longest history, for a line of progress."""
    ends = result.lengths[:: max(1, len(result.lengths) - 1)]
    return f"{MAIN_METRIC} " + ", ".join(f"{_value(at):.4f} after {at.length}" for at in ends)


def print_cold_start(starts: ColdStarts) -> None:
    """Prints the accuracy of each model for unseen users, by the length of their history."""
    for result in list(starts.results.values())[:1]:
        out.print(f"\nunseen users: {result.protocol}", style="bold", markup=False, soft_wrap=True)
        asked = ", ".join(f"{at.n_users:,} after {at.length}" for at in result.lengths)
        out.print(f"number of users: {asked}", style="dim", markup=False, soft_wrap=True)
    out.print(table_of(_row(name, result) for name, result in starts.results.items()))
    for name, reason in starts.failed.items():
        out.print(f"{name} failed: {in_flags(reason)}", style="bold yellow", markup=False)


def _row(name: str, result: ColdStartResult) -> dict[str, Any]:
    first, *others = result.lengths
    named = {f"{MAIN_METRIC} after {first.length}": first} | {
        f"after {at.length}": at for at in others
    }
    return {"model": name} | {title: _value(at) for title, at in named.items()}


def _value(at: AtLength) -> float:
    return at.metrics[MAIN_METRIC]
