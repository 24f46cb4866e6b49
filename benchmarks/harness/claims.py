"""What all machines have measured, side by side; the worst of them is what the project claims."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.page import machine, number, table
from harness.results import Run
from harness.task import Aim, Measure, Task

RATIOS = "ratios.png"

HEAD = (
    "# Measured\n\n"
    "Written by `make bench`, which measures the machine that it runs on; "
    "[how it is measured](../README.md), and what is not alike, stand there. "
    "Of each value the worst of all machines counts.\n"
)

SHOWN: dict[Measure, str] = {
    "times": "{}×", "rate": "{} a second", "seconds": "{} s", "peak_gib": "{} GiB",
}  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """One value of one contender, as each machine has measured it."""

    title: str
    """Of the task."""
    contender: str
    measure: Measure
    aim: Aim | None
    values: Mapping[str, float]
    """By name of the machine; a machine without the contender is left out."""
    is_bound: bool
    """The contender gave up somewhere, so that it takes at least so many times as long."""

    @property
    def worst(self) -> float:
        """The value that is claimed."""
        worst = min if self.measure in ("times", "rate") else max
        return worst(self.values.values())

    @property
    def is_reached(self) -> bool:
        """Whether the worst value reaches the aim, if there is one."""
        return self.aim is None or self.aim.reached(self.worst)

    def shown(self, value: float) -> str:
        """A value with its unit."""
        text = SHOWN[self.measure].format(number(value))
        return f"≥ {text}" if self.is_bound else text


def claims(runs: Mapping[str, Run]) -> list[Claim]:
    """Every ratio and every value with an aim, in the order of the tasks."""
    found: dict[tuple[str, str, Measure], dict[str, tuple[float, bool]]] = {}
    aims: dict[tuple[str, str, Measure], Aim] = {}
    for name, run in runs.items():
        for title, contender, measure, aim, value, is_bound in _values(run):
            key = (title, contender, measure)
            found.setdefault(key, {})[name] = (value, is_bound)
            if aim is not None:
                aims[key] = aim
    return [
        Claim(
            *key,
            aims.get(key),
            {name: value for name, (value, _) in by_machine.items()},
            any(is_bound for _, is_bound in by_machine.values()),
        )
        for key, by_machine in found.items()
    ]


def _values(run: Run) -> Iterator[tuple[str, str, Measure, Aim | None, float, bool]]:
    """Task, contender, measure, aim, value, and whether it is a bound only."""
    for result in run.results:
        for row in result.rows:
            verdicts = list(result.verdicts(row))
            times = result.times_ours(row)
            if row is not result.ours and times is not None:
                aim = next((aim for aim, _ in verdicts if aim.measure == "times"), None)
                yield result.title, row.name, "times", aim, times, row.gave_up
            for aim, value in verdicts:
                if aim.measure != "times":
                    yield result.title, row.name, aim.measure, aim, value, False


def overview(runs: Mapping[str, Run]) -> str:
    """The page that compares the machines.

    Args:
        runs: by name of the machine, which is also that of its page.
    """
    made = claims(runs)
    links = [f"[{machine(run)}]({name}.md)" for name, run in runs.items()]
    when = [
        f"- {link}, {run.conditions['measured_at'][:10]}"
        for link, run in zip(links, runs.values(), strict=True)
    ]
    lines = [
        HEAD,
        *when,
        "",
        *_aims(made),
        "",
        f"![How many times as long the others take]({RATIOS})",
    ]
    for title in dict.fromkeys(claim.title for claim in made):
        heads = ["contender", *links, "aim"]
        rows = [_row(claim, runs) for claim in made if claim.title == title]
        lines += ["", f"## {title}", "", *table(heads, rows)]
    return "\n".join(lines) + "\n"


def _aims(made: list[Claim]) -> list[str]:
    """How many aims are reached on all machines, and which are not."""
    judged = [claim for claim in made if claim.aim]
    missed = [claim for claim in judged if not claim.is_reached]
    lines = [f"{len(judged) - len(missed)} of {len(judged)} aims are reached on every machine."]
    if missed:
        lines += ["", "Missed:", ""]
    for claim in missed:
        assert claim.aim
        lines.append(
            f"- {claim.title}, {claim.contender}: {claim.shown(claim.worst)} "
            f"instead of {SHOWN[claim.measure].format(number(claim.aim.bound))}"
        )
    return lines


def _row(claim: Claim, runs: Mapping[str, Run]) -> list[str]:
    values = [claim.shown(claim.values[name]) if name in claim.values else "" for name in runs]
    aim = ""
    if claim.aim:
        bound = SHOWN[claim.measure].format(number(claim.aim.bound))
        aim = f"{bound}: {'reached' if claim.is_reached else 'missed'}"
    return [claim.contender, *values, aim]


def read_all(folder: Path, tasks: Mapping[str, Task]) -> dict[str, Run]:
    """What each machine has measured of the tasks, by the name of its file, with today's aims."""
    runs = {path.stem: Run.read(path) for path in sorted(folder.glob("*.json"))}
    for run in runs.values():
        run.judge_by(tasks)
    return runs
