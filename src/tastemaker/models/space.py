"""The search space of a model as plain data: which settings to try, from where to where.

It stands beside the config that it is about; whoever tunes translates it for the optimiser.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Float:
    """Any number from low to high."""

    low: float
    high: float
    log: bool = False
    """Spread the tries over the orders of magnitude rather than evenly."""

    def __post_init__(self) -> None:
        _check_ends(self.low, self.high, self.log)


@dataclass(frozen=True)
class Int:
    """Any whole number from low to high, both included."""

    low: int
    high: int
    log: bool = False
    """Spread the tries over the orders of magnitude rather than evenly."""

    def __post_init__(self) -> None:
        _check_ends(self.low, self.high, self.log)


@dataclass(frozen=True)
class Choice:
    """One of some values, in no order."""

    values: tuple[str | int | float | bool | None, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a choice needs at least one value")


Range = Float | Int | Choice
"""The values of one setting that are worth trying."""

Space = dict[str, Range]
"""The name of a setting to its range; a setting left out keeps its default."""


def _check_ends(low: float, high: float, log: bool) -> None:
    if low > high or (log and low <= 0):
        raise ValueError(f"{low:g} to {high:g} is not a range" + " of a logarithmic scale" * log)
