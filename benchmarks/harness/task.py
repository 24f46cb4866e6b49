"""Tasks, the contenders of each, and the aims of the project."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

OURS = "tastemaker"
"""The environment that the suite itself runs in."""

Measure = Literal["rate", "seconds", "times", "peak_gib"]


@dataclass(frozen=True)
class Aim:
    """A bound that a row should reach."""

    measure: Measure
    bound: float
    """At least so much of a rate or of times ours, at most so much of seconds or memory."""

    def reached(self, value: float) -> bool:
        """Whether the value is on the right side of the bound."""
        return value >= self.bound if self._more_is_better else value <= self.bound

    def missed_by(self, value: float) -> float:
        """How many times better it would have to be; below 1 where it is reached."""
        return self.bound / value if self._more_is_better else value / self.bound

    @property
    def _more_is_better(self) -> bool:
        return self.measure in ("rate", "times")


@dataclass(frozen=True)
class Contender:
    """A script that does a task in one way, in an environment of its own."""

    name: str
    script: str
    """Within benchmarks/."""
    environment: str = OURS
    """A name of `environments.PEERS`, or ours."""
    package: str = ""
    """The package that does the work, if not the one that the environment is named after."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the script besides the data."""
    quick: Mapping[str, Any] | None = field(default_factory=dict)
    """Options that a quick run has in their place; None leaves the contender out of it."""
    aims: tuple[Aim, ...] = ()
    note: str = ""
    """Differences to the other contenders, for the table."""


@dataclass(frozen=True)
class Task:
    """One question, put to several contenders; the first of them is ours."""

    name: str
    title: str
    measure: str
    """What the scripts are asked for: a name that each of them serves."""
    unit: str
    """What there is so much of a second, or what takes so many seconds."""
    contenders: tuple[Contender, ...]
    show: Literal["rate", "seconds"] = "rate"
    fresh: bool = False
    """Each repetition in a process of its own, where starting up is part of the question."""
    repeats: int = 3
    least: int = 2
    """Repetitions that even a slow contender does."""
    allowance_s: float = 40.0
    """Seconds after which a contender does no more than the least."""
    growth: bool = False
    """The contenders are sizes of one thing, and the question is how its cost grows."""
    agreement: bool = False
    """The contenders compute the same figures, and the question is whether they agree."""

    def contenders_of(self, *, quick: bool) -> list[Contender]:
        """The contenders of a run; a quick one may have none."""
        return [c for c in self.contenders if not quick or c.quick is not None]
