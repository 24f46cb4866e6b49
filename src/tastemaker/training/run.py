"""TrainingRun: where and how a model is trained; its settings do not change the result."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch

from tastemaker.errors import ConfigError
from tastemaker.progress import OnProgress, Progress
from tastemaker.representation import short_repr

DeviceName = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class TrainingRun:
    """The settings of one training run that do not belong to the model."""

    device: DeviceName = "auto"
    """auto selects the first of cuda, mps and cpu that is available."""
    folder: Path | None = None
    """The folder for checkpoints and logs, a path or its text; None for a temporary folder."""
    resume: bool = False
    """Whether to resume from the folder's last checkpoint, with the settings and data of that
    training; if there is none, training begins."""
    on_progress: OnProgress | None = None
    """Called when work begins, at most ten times a second while it lasts, and after each epoch. By
    default a notebook shows a bar, and nothing is shown elsewhere."""
    fused: bool = True
    """Whether to train with a kernel if there is one; False always uses the plain form."""

    def __post_init__(self) -> None:
        """Checks the folder.

        Raises:
            ConfigError: a training is to be resumed without one.
        """
        if self.folder is not None:
            object.__setattr__(self, "folder", Path(self.folder))
        elif self.resume:
            raise ConfigError("resume=True needs the folder of the training to continue (folder=…)")

    __repr__ = short_repr

    def of_part(self, name: str) -> "TrainingRun":
        """Returns the run of a part of the model, with a folder of its own.

        Args:
            name: the name of the folder, which the reports of progress add to what they describe.
        """
        on_progress = self.on_progress

        def report(progress: Progress) -> None:
            if on_progress is not None:
                on_progress(replace(progress, what=f"{progress.what} {name}", part=name))

        return replace(self, folder=self.folder and self.folder / name, on_progress=report)


@dataclass
class TrainingLog:
    """The results of a training run, epoch by epoch."""

    records: list[dict[str, Any]] = field(default_factory=list)
    """One per epoch: epoch (from 1), loss, the validation metrics, elapsed_s since the start."""
    best_epoch: int = 0
    """The epoch whose weights were kept: the best on validation, or the last without validation."""
    interrupted: bool = False
    """Whether Ctrl-C ended the training early."""
    fit_s: float | None = None
    """Duration of the whole fit in seconds, including the work before and after the epochs."""
    parts: dict[str, "TrainingLog"] = field(default_factory=dict)
    """The logs of the models that the model consists of, by name; empty for all models but
    blends."""
    notes: tuple[str, ...] = ()
    """What the training decided, for the user to read, such as the weights of the parts."""

    __repr__ = short_repr

    @property
    def elapsed_s(self) -> float:
        """Duration of the training in seconds, including the time before a resume."""
        of_parts = sum(log.elapsed_s for log in self.parts.values())
        return of_parts + (self.records[-1]["elapsed_s"] if self.records else 0.0)


def resolve_device(name: DeviceName) -> torch.device:
    """Returns the device with the given name.

    Raises:
        ConfigError: the device is not available on this machine or with this PyTorch.
    """
    availability = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if availability[device])
    if not availability.get(name, False):
        available = ", ".join(device for device in availability if availability[device])
        raise ConfigError(f'device "{name}" is not available here; available: {available}')
    return torch.device(name)
