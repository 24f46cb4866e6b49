"""What came of models that were asked about unseen users."""

from dataclasses import asdict, dataclass
from typing import Any

from tastemaker.shown import short_repr


@dataclass(frozen=True)
class AtLength:
    """What came of those unseen users of whom so much was known."""

    length: int
    """Interactions known."""
    n_users: int
    metrics: dict[str, float]
    """Means over these users, as `ndcg@10`."""
    intervals: dict[str, tuple[float, float]]
    """The 95% interval of each mean."""

    __repr__ = short_repr


@dataclass(frozen=True)
class ColdStartResult:
    """One model's accuracy for unseen users."""

    protocol: str
    """What was done, in one line; see `ColdStart.describe`."""
    fraction: float
    seed: int
    n_users: int
    """Kept apart; each length has those of them who went on after it."""
    lengths: tuple[AtLength, ...]
    """Ascending; one that nobody went on after is left out."""

    __repr__ = short_repr

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "ColdStartResult":
        """The result that `to_dict` made this of."""
        lengths = tuple(
            AtLength(**each | {"intervals": {n: (*e,) for n, e in each["intervals"].items()}})
            for each in stored["lengths"]
        )
        return cls(**stored | {"lengths": lengths})


@dataclass(frozen=True)
class ColdStarts:
    """Several models, all asked about the same unseen users."""

    results: dict[str, ColdStartResult]
    """By name, best first by the leaderboard."""
    failed: dict[str, str]
    """Reasons."""

    __repr__ = short_repr

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "models": [{"name": name} | result.to_dict() for name, result in self.results.items()],
            "failed": [{"name": name, "error": reason} for name, reason in self.failed.items()],
        }
