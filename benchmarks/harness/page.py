"""The measurements of one machine as Markdown."""

from collections.abc import Iterable, Sequence

from harness import growth
from harness.agreement import TOLERANCE, differences, explained
from harness.results import Result, Row, Run
from harness.task import Aim


def page(run: Run, source: str, growth_picture: str) -> str:
    """The whole page.

    Args:
        run: what was measured.
        source: the name of the file that has every time measured.
        growth_picture: the name of the picture of how the cost grows.
    """
    known = run.conditions
    parts = [
        f"# Measured on {machine(run)}\n\n"
        f"{known['memory_gib']} GiB, Python {known['python']}, "
        f"{known['threads']} threads, on the {known['device']}. [All machines](README.md); "
        f"every time measured, and every version: [{source}]({source}).\n\n"
    ]
    parts += [section(result) for result in run.results]
    if any(growth.has_slope(result) for result in run.results):
        parts.append(f"![How the cost grows with the data]({growth_picture})\n")
    return "".join(parts).rstrip() + "\n"


def machine(run: Run) -> str:
    """The processor and its number of cores, in words."""
    return f"{run.conditions['cpu']}, {run.conditions['cores']} cores"


def section(result: Result) -> str:
    """A task's heading, table and notes."""
    heads, rows = TABLES[_kind(result)](result)
    lines = [f"## {result.title}", "", *table(heads, rows), ""]
    lines += [f"- {row.name}: {row.note}" for row in result.rows if row.note]
    lines += [f"- {row.name}: {remark}." for row in result.rows for remark in row.remarks]
    lines += [f"- {row.name} {row.failed}" for row in result.rows if row.failed]
    lines.append(f"- Measured {result.measured_at[:10]} at commit {result.commit}.")
    if growth.has_slope(result):
        of_seconds = growth.slope(growth.sizes(result), growth.seconds(result))
        of_memory = growth.slope(growth.sizes(result), growth.peaks_gib(result))
        lines.append(f"- slope on logarithms: seconds {of_seconds:.2f}, memory {of_memory:.2f}")
    return "\n".join(lines).rstrip() + "\n\n"


def _kind(result: Result) -> str:
    return "growth" if result.growth else "agreement" if result.agreement else "ratio"


Table = tuple[Sequence[str], Iterable[Sequence[str]]]


def _ratio_table(result: Result) -> Table:
    measure = f"{result.unit} a second" if result.show == "rate" else f"seconds, {result.unit}"
    heads = ["contender", "version", measure, "range", "times ours", "GiB", "repeats", "aim"]
    return heads, [_ratio_row(result, row) for row in result.rows]


def _ratio_row(result: Result, row: Row) -> list[str]:
    if not row.measured:
        return [row.name, row.version, "failed", "", "", "", "", ""]
    values = [1 / c for c in row.costs] if result.show == "rate" else row.costs
    middle = 1 / row.cost if result.show == "rate" else row.cost
    times = result.times_ours(row)
    at_least = "≥ " if row.gave_up else ""
    return [
        row.name,
        row.version,
        f"{at_least if result.show == 'seconds' else ''}{number(middle)}",
        f"{number(min(values))} to {number(max(values))}",
        "" if times is None else f"{at_least}{times:.3g}",
        f"{row.peak_gib:.2f}",
        str(len(row.answers)),
        "; ".join(_verdict(aim, value, result.unit) for aim, value in result.verdicts(row)),
    ]


def _growth_table(result: Result) -> Table:
    rows = [
        [
            row.name,
            number(row.cost) if row.measured else "failed",
            f"{row.peak_gib:.2f}" if row.measured else "",
            f"{row.answers[0].get('share', 1):.0%}" if row.measured else "",
            "; ".join(_verdict(aim, value, result.unit) for aim, value in result.verdicts(row)),
        ]
        for row in result.rows
    ]
    return ["size", f"seconds, {result.unit}", "GiB", "measured", "aim"], rows


def _agreement_table(result: Result) -> Table:
    ours = result.ours.answers[0]["figures"] if result.ours.measured else {}
    rows = []
    for row in result.rows:
        if not row.measured or not ours:
            rows.append([row.name, row.version, "failed", ""])
            continue
        explanations, distances = explained(row), differences(result, row)
        largest = max(value for name, value in distances.items() if name not in explanations)
        verdict = "same" if largest <= TOLERANCE else "DIFFERENT"
        reasons = "; ".join(
            f"{name} by {distances[name]:.3f}: {why}" for name, why in explanations.items()
        )
        rows.append([row.name, row.version, f"{largest:.1g} ({verdict})", reasons])
    return ["evaluator", "version", "largest difference from ours", "defined otherwise"], rows


TABLES = {"ratio": _ratio_table, "growth": _growth_table, "agreement": _agreement_table}


def _verdict(aim: Aim, value: float, unit: str) -> str:
    wanted = {
        "rate": f"at least {number(aim.bound)} {unit} a second",
        "times": f"at least {number(aim.bound)} times as long as ours",
        "seconds": f"at most {number(aim.bound)} s",
        "peak_gib": f"at most {number(aim.bound)} GiB",
    }[aim.measure]
    if aim.reached(value):
        return f"{wanted}: reached"
    return f"{wanted}: missed by a factor of {aim.missed_by(value):.2f}"


def number(value: float) -> str:
    """Three digits, and all of those before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]
