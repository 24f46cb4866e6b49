"""Whether the contenders of a task agree on the figures that all of them compute."""

from harness.results import Result, Row

TOLERANCE = 1e-6
"""Difference up to which figures count as the same."""


def differences(result: Result, row: Row) -> dict[str, float]:
    """The absolute difference of each figure of the row from ours."""
    ours, others = (r.answers[0]["figures"] for r in (result.ours, row))
    return {name: abs(others[name] - ours[name]) for name in ours}


def explained(row: Row) -> dict[str, str]:
    """The figures with another definition in the library of the row, and that definition."""
    return row.options.get("unlike", {})


def disagreements(result: Result) -> list[str]:
    """Unexplained differences, one line each, or that there was no other contender."""
    if not result.ours.measured:
        return [f"{result.name}: ours failed"]
    others = [row for row in result.rows[1:] if row.measured]
    if not others:
        return [f"{result.name}: there was no other contender"]
    return [
        f"{result.name}: {row.name} has another {name}, by {difference:.2g}"
        for row in others
        for name, difference in differences(result, row).items()
        if difference > TOLERANCE and name not in explained(row)
    ]
