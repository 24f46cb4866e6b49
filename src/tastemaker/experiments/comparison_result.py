"""ComparisonResult: the leaderboard of a comparison and its fitted models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tastemaker.evaluation.cold_start_results import ColdStartResults
from tastemaker.evaluation.leaderboard import Leaderboard
from tastemaker.models.recommender import Recommender
from tastemaker.representation import short_repr


@dataclass(frozen=True, eq=False)
class ComparisonResult:
    """The result of a comparison."""

    leaderboard: Leaderboard
    models: dict[str, Recommender]
    """The fitted models by label, without those that failed."""
    how: dict[str, str]
    """For each model, whether it was trained, why it was trained again, or what was reused."""
    cold_starts: ColdStartResults | None
    """Accuracy for unseen users; None if it was not evaluated."""
    cold_start_how: dict[str, str]
    interrupted: bool
    """Whether Ctrl-C ended the comparison before all models were run."""
    folder: Path

    __repr__ = short_repr

    def _repr_html_(self) -> str:
        return self.leaderboard._repr_html_()

    @property
    def some_failed(self) -> bool:
        """Whether at least one model failed."""
        cold = self.cold_starts
        return any(entry.error for entry in self.leaderboard.entries) or bool(cold and cold.failed)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON: the leaderboard and, if it was evaluated, cold start."""
        return results_dict(self.leaderboard, self.cold_starts)


def results_dict(board: Leaderboard, cold_starts: ColdStartResults | None) -> dict[str, Any]:
    """Returns plain data for JSON: the leaderboard and, if it was evaluated, cold start."""
    return board.to_dict() | ({} if cold_starts is None else {"cold_start": cold_starts.to_dict()})
