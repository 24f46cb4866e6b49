"""The compiled code, if there is any."""

import ctypes
from functools import cache
from pathlib import Path

import torch

FOLDER = Path(__file__).parent


@cache
def library() -> ctypes.CDLL | None:
    """The code compiled for this processor; None where there is none."""
    levels = torch.backends.cpu.get_cpu_capability().lower(), "default"
    found = (FOLDER / f"tastemaker-{level}.so" for level in levels)
    path = next((path for path in found if path.exists()), None)
    return None if path is None else ctypes.CDLL(str(path))


def is_compiled() -> bool:
    """Whether there is code for this processor."""
    return library() is not None
