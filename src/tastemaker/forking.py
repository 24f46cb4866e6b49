"""Refuses to work in a process that was forked from one that had used Tastemaker or Polars.

A fork copies only the thread that forks. The thread pools of Polars and PyTorch do not exist in the
child, and any work given to them would wait for ever. On Linux, `multiprocessing` forks by default
before Python 3.14. Code that only reads arrays still works in a forked child; the workers of
PyTorch's DataLoader may therefore hold a Tastemaker `Dataset`.
"""

import os
import re
from pathlib import Path

from tastemaker.errors import UnsupportedError

THREADS = Path("/proc/self/task")
"""Contains a folder for each thread of this process, on systems that have it."""


class _Process:
    """The state of this process."""

    has_used_threads = False
    """Whether it may have thread pools of Polars or PyTorch."""
    is_unusable = False
    """Whether it was forked from a process that may have had such thread pools."""


def refuse_forked() -> None:
    """Refuses a forked process; records that this one may have threads of Polars or PyTorch.

    It is called before any work is given to Polars or PyTorch.

    Raises:
        UnsupportedError: this process was forked from one that had thread pools, so it would hang.
    """
    if _Process.is_unusable:
        raise UnsupportedError(
            "this process was forked from one that had used Tastemaker or Polars; a fork does not "
            "copy their threads, so this call would never return; start processes with "
            'multiprocessing.get_context("spawn") or "forkserver"'
        )
    _Process.has_used_threads = True


def _has_threads_of_polars() -> bool:
    """Returns whether this process has threads of Polars, which it may have without Tastemaker."""
    files = (thread / "comm" for thread in THREADS.iterdir()) if THREADS.is_dir() else ()
    return any(re.match(r"polars-\d", file.read_text()) for file in files)


def _before_fork() -> None:
    _Process.has_used_threads |= _has_threads_of_polars()


def _after_fork_in_child() -> None:
    _Process.is_unusable |= _Process.has_used_threads


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
