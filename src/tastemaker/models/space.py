"""The search space of a model as plain data: which settings to tune, and their ranges.

A model declares it beside its config; the tuning code translates it for the optimiser.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Float:
    """Any number from low to high."""

    low: float
    high: float
    log: bool = False
    """Whether values are sampled on a logarithmic scale rather than evenly."""

    def __post_init__(self) -> None:
        _check_ends(self.low, self.high, self.log)


@dataclass(frozen=True)
class Int:
    """Any whole number from low to high, both included."""

    low: int
    high: int
    log: bool = False
    """Whether values are sampled on a logarithmic scale rather than evenly."""

    def __post_init__(self) -> None:
        _check_ends(self.low, self.high, self.log)


@dataclass(frozen=True)
class Choice:
    """One of several values that have no order."""

    values: tuple[str | int | float | bool | None, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a choice needs at least one value")


Range = Float | Int | Choice
"""The values of one setting that are worth trying."""

Space = dict[str, Range]
"""Maps the name of a setting to its range; a setting left out keeps its default."""


def _check_ends(low: float, high: float, log: bool) -> None:
    if low > high or (log and low <= 0):
        raise ValueError(f"{low:g} to {high:g} is not a range" + " of a logarithmic scale" * log)
