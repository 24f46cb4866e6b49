"""Errors for settings that make training fail by numeric overflow or by a lack of memory.

Whatever exception such a fit raises, the user sees one line that names the settings to change.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import numpy as np
import torch

from tastemaker.config import AUTO, Config
from tastemaker.errors import ConfigError

LINALG_ERRORS = (np.linalg.LinAlgError, torch.linalg.LinAlgError)
"""Exceptions that a closed-form fit raises when its numbers are too large, too small or NaN."""

MEMORY_ERROR_PHRASES = (
    "allocate memory",
    "out of memory",
    "calculation overflowed",
    "Overflow when",
    "Maximum allowed dimension exceeded",
)
"""Phrases that identify the errors of PyTorch and NumPy about an array that does not fit into
memory. On the CPU, PyTorch's is a plain RuntimeError, and beyond 64 bits a TypeError."""

UNRELATED_SETTINGS = ("seed", "epochs", "gmf.seed", "gmf.epochs", "mlp.seed", "mlp.epochs")


@contextmanager
def failures_as_config_errors(config: Config, name: str) -> Iterator[None]:
    """Turns a failure of a fit that its settings caused into one clear error.

    Args:
        config: the model's settings.
        name: the model's name.

    Raises:
        ConfigError: the block overflowed, had equations without a solution, or needed more memory
            than is available. The error names the settings that differ from their defaults, or
            else the usual causes.
    """
    try:
        yield
    except (FloatingPointError, *LINALG_ERRORS) as error:
        unsolved = "the system of equations cannot be solved"
        reason = unsolved if isinstance(error, LINALG_ERRORS) else str(error)
        usual_settings = "learning_rate", "regularization"
        remedy = _advice_on_settings(config, float, usual_settings, fallback="train on other data")
        raise ConfigError(f"{name}: training diverged: {reason}; {remedy}") from None
    except (MemoryError, RuntimeError, TypeError, ValueError) as error:
        if not isinstance(error, MemoryError) and not any(
            phrase in str(error) for phrase in MEMORY_ERROR_PHRASES
        ):
            raise
        usual_settings = "embedding_size", "batch_size"
        remedy = _advice_on_settings(config, int, usual_settings, fallback="train on less data")
        raise ConfigError(
            f"{name}: training needs more memory than is available; {remedy}"
        ) from None


def _advice_on_settings(
    config: Config, kind: type, usual_settings: tuple[str, ...], fallback: str
) -> str:
    """Returns advice on which settings to change, and in which direction.

    Args:
        config: the model's settings.
        kind: float or int, the type of the settings that can cause the failure.
        usual_settings: the names of the likely causes if all settings have their defaults.
        fallback: the advice where the model has no such setting.
    """
    numbers: dict[str, tuple[Any, Any]] = {
        setting.name: (value, setting.default)
        for setting in config.settings()
        if (
            type(value := attrgetter(setting.name)(config)) is kind
            or (value == AUTO and setting.name in usual_settings)
        )
        and setting.name not in UNRELATED_SETTINGS
    }
    changed = {name: pair for name, pair in numbers.items() if pair[0] != pair[1]}
    suspects = changed or {name: numbers[name] for name in usual_settings if name in numbers}
    changes = [
        f"{_direction(name, value, default)} {name}=… (now {_short(value)})"
        for name, (value, default) in suspects.items()
    ]
    return f"train again with {', or '.join(changes)}" if changes else fallback


def _direction(name: str, value: float | str, default: float | str | None) -> str:
    if isinstance(value, float) and not isinstance(default, int | float):
        # What is found from the data in place of a penalty is seldom as low as 1.
        return "a higher" if name == "regularization" and value < 1 else "another"
    # Whole numbers, and those that are found, are named for the memory that they need.
    is_low = isinstance(value, int | float) and isinstance(default, int | float) and value < default
    return "a higher" if is_low else "a lower"


def _short(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
