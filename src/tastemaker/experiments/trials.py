"""Trials: what was tried, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tastemaker.shown import short_repr

State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """One combination of settings and what came of it."""

    number: int
    """From 1."""
    state: State
    value: float | None
    """Metric on the validation part; for a pruned trial, the value of its last epoch."""
    settings: dict[str, Any]
    """Those that were searched for."""
    elapsed_s: float
    epochs: int | None = None
    """How many were trained, for a model that tells."""
    best_epoch: int | None = None
    """Whose weights were judged; early stopping may have gone on beyond it."""
    error: str | None = None

    __repr__ = short_repr

    def flat(self) -> dict[str, Any]:
        """One row of a table."""
        facts = {
            "trial": self.number,
            "state": self.state,
            "value": self.value,
            **self.settings,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "elapsed_s": round(self.elapsed_s, 3),
        }
        return facts | {"error": self.error}


def best_first(trials: Sequence[Trial]) -> list[Trial]:
    """The complete ones; of equals the earlier first."""
    complete = [trial for trial in trials if trial.value is not None and trial.state == "complete"]
    return sorted(complete, key=lambda trial: -(trial.value or 0.0))
