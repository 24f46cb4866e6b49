"""TrainingRun: where and how a model is trained. Nothing in it changes the result."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from tastemaker.errors import ConfigError
from tastemaker.progress import OnProgress
from tastemaker.shown import short_repr

DeviceName = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class TrainingRun:
    """The circumstances of one training."""

    device: DeviceName = "auto"
    """auto takes the first of cuda, mps and cpu that is there."""
    folder: Path | None = None
    """Where checkpoints and logs go; a temporary place where None."""
    resume: bool = False
    """Go on from the folder's last checkpoint."""
    on_progress: OnProgress | None = None
    """Called when work begins, at most ten times a second while it lasts, and after each epoch."""
    fused: bool = True
    """Whether a kernel does the work where there is one; False takes the plain form always."""

    __repr__ = short_repr


@dataclass
class TrainingLog:
    """What happened, epoch by epoch."""

    records: list[dict[str, Any]] = field(default_factory=list)
    """One an epoch: epoch (from 1), loss, the validation metrics, elapsed_s since the start."""
    best_epoch: int = 0
    """The epoch whose weights were kept: the best on validation, or the last without one."""
    interrupted: bool = False
    """Whether Ctrl-C ended it before its time."""
    fit_s: float | None = None
    """Seconds of the whole fit, what is done before and after the epochs included."""

    __repr__ = short_repr

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, those before a resume included."""
        return self.records[-1]["elapsed_s"] if self.records else 0.0


def resolve_device(name: DeviceName) -> torch.device:
    """The device of that name.

    Raises:
        ConfigError: this machine or this PyTorch has none.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if there[device])
    if not there.get(name, False):
        known = ", ".join(device for device, is_there in there.items() if is_there)
        raise ConfigError(f'device "{name}" is not to be had here; there is {known}')
    return torch.device(name)
