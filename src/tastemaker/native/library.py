"""Loads the compiled code, if there is any."""

import ctypes
import sys
from functools import cache
from pathlib import Path

import torch

FOLDER = Path(__file__).parent

SUFFIX = ".dll" if sys.platform == "win32" else ".so"

LEVELS = ("avx512", "avx2", "default")
"""Vector instructions for which there can be a library; a processor also runs the later ones."""


def compiled() -> ctypes.CDLL:
    """Returns the library for this processor; may be called only where `is_compiled()` is true."""
    found = _library()
    assert found is not None, "called although is_compiled() is False"
    return found


def is_compiled() -> bool:
    """Returns whether there is compiled code for this processor."""
    return _library() is not None


def level() -> str:
    """Returns the vector instructions that PyTorch uses here: `avx2`, `avx512`, or `default`."""
    return torch.backends.cpu.get_cpu_capability().lower()


def library_path() -> Path | None:
    """Returns the file of the compiled code that is used; None if there is none."""
    return Path(compiled()._name) if is_compiled() else None


def why_not_compiled() -> str | None:
    """Returns in one line why there is no compiled code and what to do; None if there is some."""
    if is_compiled():
        return None
    problem = _load()[1] or "the compiled code is switched off"
    return (
        f"{problem}, so the plain form does the work, several times more slowly; install the wheel "
        "for this platform, or install from source where there is a C++ compiler"
    )


def _library() -> ctypes.CDLL | None:
    return _load()[0]


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    """Returns the library, or None and the reason."""
    names = LEVELS[LEVELS.index(level()) :] if level() in LEVELS else ("default",)
    paths = [FOLDER / f"tastemaker-{name}{SUFFIX}" for name in names]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        others = sorted(each.name for each in FOLDER.glob(f"*{SUFFIX}"))
        return None, (
            f"there is compiled code for other processors ({', '.join(others)}) but none for this "
            f"one ({level()})"
            if others
            else "this installation has no compiled code"
        )
    try:
        return ctypes.CDLL(str(path)), ""
    except OSError as error:
        return None, f"{path.name} could not be loaded ({error})"
