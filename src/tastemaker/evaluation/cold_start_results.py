"""Results of evaluating models for unseen users."""

from dataclasses import asdict, dataclass
from typing import Any

from tastemaker.representation import short_repr


@dataclass(frozen=True)
class LengthResult:
    """The results for a given number of known interactions."""

    length: int
    """Number of known interactions."""
    n_users: int
    metrics: dict[str, float]
    """Means over these users, by name, such as `ndcg@10`."""
    intervals: dict[str, tuple[float, float]]
    """The 95% interval of each mean."""

    __repr__ = short_repr


@dataclass(frozen=True)
class ColdStartResult:
    """The accuracy of one model for unseen users."""

    protocol: str
    """A description in one line; see `ColdStart.describe`."""
    fraction: float
    """Fraction of the users with at least two interactions that was held out."""
    seed: int
    """Seed by which these users were drawn."""
    n_users: int
    """Number of held-out users; each length is evaluated on those with more interactions."""
    lengths: tuple[LengthResult, ...]
    """In ascending order; a length is left out if no user has more interactions."""

    __repr__ = short_repr

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "ColdStartResult":
        """Restores a result from the return value of `to_dict`."""
        lengths = tuple(
            LengthResult(
                each["length"],
                each["n_users"],
                each["metrics"],
                {name: tuple(ends) for name, ends in each["intervals"].items()},
            )
            for each in stored["lengths"]
        )
        return cls(**stored | {"lengths": lengths})


@dataclass(frozen=True)
class ColdStartResults:
    """The results of several models for the same unseen users."""

    results: dict[str, ColdStartResult]
    """By model name, in the order of the leaderboard, best first."""
    failed: dict[str, str]
    """The error of each model that failed, by name."""

    __repr__ = short_repr

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "models": [{"name": name} | result.to_dict() for name, result in self.results.items()],
            "failed": [{"name": name, "error": reason} for name, reason in self.failed.items()],
        }
