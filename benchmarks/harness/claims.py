"""What all machines have measured, side by side; the worst of them is what the project claims."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.page import machine, number, table
from harness.results import Result, Row, Run
from harness.task import Aim, Contender, Measure, Task

RATIOS = "ratios.png"

HEAD = (
    "# Measured\n\n"
    "`make bench` writes this page and measures the machine that it runs on. "
    "[How it is measured](../README.md) also lists the differences between the contenders. "
    "For each value, the worst of all machines counts.\n"
)

SHOWN: dict[Measure, str] = {
    "times": "{}×", "rate": "{} a second", "seconds": "{} s", "peak_gib": "{} GiB",
}  # fmt: skip

REACHED_SOMEWHERE = "reached where it was measured"


@dataclass(frozen=True)
class Value:
    """What one machine has measured."""

    number: float
    is_bound: bool = False
    """The contender gave up, so that it would have taken at least so many times as long."""


@dataclass(frozen=True)
class Claim:
    """One value of one contender on all machines."""

    title: str
    """Of the task."""
    contender: str
    measure: Measure
    aim: Aim | None
    values: Mapping[str, Value | None]
    """By the name of the machine; None where it failed or was not measured."""

    @property
    def worst(self) -> Value | None:
        """The value that is claimed, or None if no machine has one."""
        known = [value for value in self.values.values() if value]
        worst = min if self.measure in ("times", "rate") else max
        return worst(known, key=lambda value: value.number, default=None)

    @property
    def verdict(self) -> str:
        """Whether the aim is reached, on every machine or on some alone; empty without an aim."""
        if self.aim is None:
            return ""
        known = [value for value in self.values.values() if value]
        missed = [value for value in known if not self.aim.reached(value.number)]
        if any(not value.is_bound for value in missed):
            return "missed"
        if missed or not known:
            return "not measured"
        return "reached" if len(known) == len(self.values) else REACHED_SOMEWHERE

    def shown(self, value: Value | None) -> str:
        """A value with its unit."""
        if value is None:
            return "–"
        return f"{'≥ ' if value.is_bound else ''}{self.with_unit(value.number)}"

    def with_unit(self, value: float) -> str:
        """A number with the unit of the measure."""
        return SHOWN[self.measure].format(number(value))


def claims(runs: Mapping[str, Run], tasks: Mapping[str, Task]) -> list[Claim]:
    """Every ratio, and every value with an aim, in the order of the tasks.

    Args:
        runs: by the name of the machine.
        tasks: by their names.
    """
    made = [
        Claim(
            task.title, contender.name, measure, aim,
            {name: _value(run, task, contender, measure) for name, run in runs.items()},
        )
        for task in tasks.values()
        for contender in task.contenders
        for measure, aim in _measures(contender)
    ]  # fmt: skip
    return [claim for claim in made if claim.aim or claim.worst]


def _measures(contender: Contender) -> Iterator[tuple[Measure, Aim | None]]:
    """What is claimed of a contender: its ratio to ours, and what an aim bounds."""
    aims = {aim.measure: aim for aim in contender.aims}
    yield "times", aims.pop("times", None)
    yield from aims.items()


def _value(run: Run, task: Task, contender: Contender, measure: Measure) -> Value | None:
    found = _row(run, task.name, contender.name)
    if found is None:
        return None
    result, row = found
    if measure == "times":
        times = None if row is result.ours else result.times_ours(row)
        return None if times is None else Value(times, row.gave_up)
    return Value(row.value(measure, result.ours)) if row.measured else None


def _row(run: Run, task: str, contender: str) -> tuple[Result, Row] | None:
    for result in run.results:
        for row in result.rows:
            if (result.name, row.name) == (task, contender):
                return result, row
    return None


def overview(runs: Mapping[str, Run], tasks: Mapping[str, Task]) -> str:
    """The page that compares the machines.

    Args:
        runs: by the name of the machine, which is also that of its page.
        tasks: by their names.
    """
    made = claims(runs, tasks)
    links = [f"[{machine(run)}]({name}.md)" for name, run in runs.items()]
    picture = f"![How many times as long the others take]({RATIOS})"
    lines = [HEAD, *_aims(made), "", picture]
    for title in dict.fromkeys(claim.title for claim in made):
        heads = ["contender", *links, "aim"]
        rows = [_cells(claim) for claim in made if claim.title == title]
        lines += ["", f"## {title}", "", *table(heads, rows)]
    return "\n".join(lines) + "\n"


def _aims(made: list[Claim]) -> list[str]:
    """How many aims are reached on all machines, how many on some alone, and which are not."""
    judged = [claim for claim in made if claim.aim]
    verdicts = [claim.verdict for claim in judged]
    others = [claim for claim in judged if "reached" not in claim.verdict]
    more = verdicts.count(REACHED_SOMEWHERE)
    lines = [
        f"{verdicts.count('reached')} of {len(judged)} aims are reached on every machine"
        + (f", and {more} more on those that measured them." if more else ".")
    ]
    if others:
        lines += ["", "The others:", ""]
    for claim in others:
        assert claim.aim
        aim = claim.with_unit(claim.aim.bound)
        values = f"{claim.shown(claim.worst)}, aim {aim}" if claim.worst else f"aim {aim}"
        lines.append(f"- {claim.title}, {claim.contender}: {claim.verdict} ({values})")
    return lines


def _cells(claim: Claim) -> list[str]:
    aim = f"{claim.with_unit(claim.aim.bound)}: {claim.verdict}" if claim.aim else ""
    return [claim.contender, *map(claim.shown, claim.values.values()), aim]


def read_all(folder: Path, tasks: Mapping[str, Task]) -> dict[str, Run]:
    """What each machine has measured of the tasks, by the name of its file, with today's aims."""
    runs = {path.stem: Run.read(path) for path in sorted(folder.glob("*.json"))}
    for run in runs.values():
        run.judge_by(tasks)
    return runs
