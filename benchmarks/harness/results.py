"""What was measured: rows, tasks and whole runs, as they are kept in JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from harness.task import Aim, Measure, Task

RESULTS = Path(__file__).resolve().parents[1] / "results"


@dataclass
class Row:
    """One contender's measurements."""

    name: str
    version: str = ""
    """Version of the package that does the work."""
    note: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the script."""
    aims: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    """One a repetition: seconds, work, peak_mib, and further figures of the contender."""
    failed: str | None = None

    @property
    def measured(self) -> bool:
        """Whether there is anything to compare."""
        return self.failed is None and bool(self.answers)

    @property
    def costs(self) -> list[float]:
        """Seconds for one unit of work, by repetition."""
        return [answer["seconds"] / answer["work"] for answer in self.answers]

    @property
    def cost(self) -> float:
        """The median of the seconds for one unit of work."""
        return median(self.costs)

    @property
    def peak_gib(self) -> float:
        """The most memory that its process had in use."""
        return max(answer["peak_mib"] for answer in self.answers) / 2**10

    @property
    def gave_up(self) -> bool:
        """Whether it stopped at its time limit before it reached the quality asked for."""
        return not all(answer.get("reached", True) for answer in self.answers)

    @property
    def remarks(self) -> list[str]:
        """The remark of the contender on its last repetition, if there is one."""
        return (
            [self.answers[-1]["remark"]] if self.measured and "remark" in self.answers[-1] else []
        )

    def value(self, measure: Measure, ours: "Row") -> float:
        """The measured value that an aim bounds."""
        return {
            "rate": 1 / self.cost,
            "seconds": self.cost,
            "times": self.cost / ours.cost,
            "peak_gib": self.peak_gib,
        }[measure]


@dataclass
class Result:
    """One task's measurements; the first row is ours."""

    name: str
    title: str
    unit: str
    show: str
    growth: bool
    agreement: bool
    rows: list[Row]
    commit: str = ""
    """Ours; a file of results may hold tasks that were measured at several."""
    measured_at: str = ""
    """Date and time, in the form of ISO 8601."""

    @classmethod
    def of(cls, task: Task, rows: list[Row]) -> "Result":
        """The rows under the task's name."""
        return cls(
            task.name, task.title, task.unit, task.show, task.growth, task.agreement, rows
        )  # fmt: skip

    @property
    def ours(self) -> Row:
        """The row that the others are compared with."""
        return self.rows[0]

    def times_ours(self, row: Row) -> float | None:
        """Its time as a multiple of ours, or None where they cannot be compared."""
        both = row.measured and self.ours.measured and not self.ours.gave_up
        compared = both and not (self.growth or self.agreement)
        return row.cost / self.ours.cost if compared else None

    def verdicts(self, row: Row) -> Iterator[tuple[Aim, float]]:
        """The row's aims, each with what was measured."""
        if not (row.measured and self.ours.measured):
            return
        for aim in (Aim(**kept) for kept in row.aims):
            yield aim, row.value(aim.measure, self.ours)


@dataclass
class Run:
    """Everything that one run of the suite measured, and on what."""

    conditions: dict[str, Any]
    results: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Adds a task's result, in the place of an earlier one of the same name."""
        names = [known.name for known in self.results]
        if result.name in names:
            self.results[names.index(result.name)] = result
        else:
            self.results.append(result)

    def judge_by(self, tasks: Mapping[str, Task]) -> None:
        """Leaves out what is no task any more, and takes today's titles and aims."""
        self.results = [result for result in self.results if result.name in tasks]
        for result in self.results:
            task = tasks[result.name]
            aims = {each.name: [asdict(aim) for aim in each.aims] for each in task.contenders}
            result.title = task.title
            for row in result.rows:
                row.aims = aims.get(row.name, [])

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Run":
        """What `write` wrote."""
        kept = json.loads(path.read_text())
        results = [
            Result(**result | {"rows": [Row(**row) for row in result["rows"]]})
            for result in kept["results"]
        ]
        return cls(kept["conditions"], results)
