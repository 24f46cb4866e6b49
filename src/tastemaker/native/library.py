"""Loads the compiled code, if there is any."""

import ctypes
from functools import cache
from pathlib import Path

import torch

FOLDER = Path(__file__).parent


def compiled() -> ctypes.CDLL:
    """Returns the library for this processor; may be called only where `is_compiled()` is true."""
    found = _library()
    assert found is not None, "called although is_compiled() is False"
    return found


def is_compiled() -> bool:
    """Returns whether there is compiled code for this processor."""
    return _library() is not None


@cache
def _library() -> ctypes.CDLL | None:
    levels = torch.backends.cpu.get_cpu_capability().lower(), "default"
    found = (FOLDER / f"tastemaker-{level}.so" for level in levels)
    path = next((path for path in found if path.exists()), None)
    return None if path is None else ctypes.CDLL(str(path))
