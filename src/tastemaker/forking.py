"""Refuses to work in a process that was forked from one that had worked.

A fork copies the thread that forks and no other. The pools of threads of Polars and PyTorch are
dead in the child, and whatever is given to them waits for ever. On Linux, `multiprocessing` forks
by default before Python 3.14. What only looks at arrays goes on in a forked child, so that the
workers of PyTorch's DataLoader may hold a Dataset.
"""

import os
import re
from pathlib import Path

from tastemaker.errors import UnsupportedError

THREADS = Path("/proc/self/task")
"""A folder for each thread of this process, where the system has such."""


class _Process:
    """What is known of this process."""

    has_worked = False
    """Whether it may have pools of threads of Polars' or PyTorch's."""
    is_dead_end = False
    """Whether it was forked from a process that had worked."""


def refuse_forked() -> None:
    """Called by what reads, trains, asks and opens, before Polars or PyTorch is given any work.

    Raises:
        UnsupportedError: this process was forked from one that had worked, where it would hang.
    """
    if _Process.is_dead_end:
        raise UnsupportedError(
            "this process was forked from one that had used Tastemaker, whose threads a fork does "
            "not copy, so that it would wait for them for ever; start processes with "
            'multiprocessing.get_context("spawn") or "forkserver"'
        )
    _Process.has_worked = True


def _has_threads_of_polars() -> bool:
    """Whether this process used Polars by itself, without Tastemaker."""
    names = (thread / "comm" for thread in THREADS.iterdir()) if THREADS.is_dir() else ()
    return any(re.match(r"polars-\d", name.read_text()) for name in names)


def _about_to_fork() -> None:
    _Process.has_worked |= _has_threads_of_polars()


def _forked() -> None:
    _Process.is_dead_end |= _Process.has_worked


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_about_to_fork, after_in_child=_forked)
