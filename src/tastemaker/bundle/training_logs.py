"""The log of a training as it is stored in a run folder, in `training.json`."""

from typing import Any

from tastemaker.training.run import TrainingLog


def record_of(log: TrainingLog) -> dict[str, Any]:
    """Returns a log as plain data."""
    record = {
        "epochs": log.records,
        "best_epoch": log.best_epoch,
        "elapsed_s": log.elapsed_s,
        "interrupted": log.interrupted,
        "fit_s": log.fit_s,
        "notes": list(log.notes),
    }
    parts = {name: record_of(part) for name, part in log.parts.items()}
    return record | {"parts": parts} if parts else record


def log_of(training: dict[str, Any]) -> TrainingLog:
    """Returns the log from the plain data that `record_of` returned."""
    return TrainingLog(
        training["epochs"],
        training["best_epoch"],
        training["interrupted"],
        training.get("fit_s"),
        {name: log_of(part) for name, part in training.get("parts", {}).items()},
        tuple(training.get("notes", ())),
    )
