"""Trials: combinations of settings and their results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tastemaker.representation import short_repr

State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """One combination of settings and its result."""

    number: int
    """From 1."""
    state: State
    value: float | None
    """Metric on the validation part; for a pruned trial, the value of its last epoch."""
    settings: dict[str, Any]
    """The settings that were searched for."""
    elapsed_s: float
    epochs: int | None = None
    """Number of trained epochs, for a model with epochs."""
    best_epoch: int | None = None
    """The epoch whose weights were evaluated; training may have continued after it."""
    error: str | None = None
    seed: int | None = None
    """Seed of the model: with these settings and this seed it has this value again."""
    worker: str | None = None
    """Host name and process id of the worker that ran it, as host:pid."""

    __repr__ = short_repr

    def flat(self) -> dict[str, Any]:
        """One row of a table."""
        row = {
            "trial": self.number,
            "state": self.state,
            "value": self.value,
            **self.settings,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "elapsed_s": round(self.elapsed_s, 3),
            "seed": self.seed,
            "worker": self.worker,
        }
        return row | {"error": self.error}


def best_first(trials: Sequence[Trial]) -> list[Trial]:
    """Returns the complete trials, best first; of equal ones the earlier comes first."""
    complete = [trial for trial in trials if trial.value is not None and trial.state == "complete"]
    return sorted(complete, key=lambda trial: -(trial.value or 0.0))
