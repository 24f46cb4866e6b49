"""Whether the contenders of a task agree on the figures that all of them compute."""

from harness.results import Result, Row

LARGEST = 1e-6
"""A difference up to which figures count as the same."""


def differences(result: Result, row: Row) -> dict[str, float]:
    """How far each of the row's figures is from ours."""
    ours, theirs = (r.answers[0]["figures"] for r in (result.ours, row))
    return {name: abs(theirs[name] - ours[name]) for name in ours}


def explained(row: Row) -> dict[str, str]:
    """The figures that it defines otherwise, and how."""
    return row.options.get("unlike", {})


def disagreements(result: Result) -> list[str]:
    """What nobody explains, a line each; also that there was nobody to compare with."""
    if not result.ours.measured:
        return [f"{result.name}: ours failed"]
    others = [row for row in result.rows[1:] if row.measured]
    if not others:
        return [f"{result.name}: there was nobody to compare with"]
    return [
        f"{result.name}: {row.name} has another {name}, by {difference:.2g}"
        for row in others
        for name, difference in differences(result, row).items()
        if difference > LARGEST and name not in explained(row)
    ]
