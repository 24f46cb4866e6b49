"""Checks whether a large computation fits into this machine's memory."""

import os
from pathlib import Path

from tastemaker.errors import UnsupportedError

MEMINFO = Path("/proc/meminfo")


def available_bytes() -> int:
    """Returns the bytes available without swapping, or the total memory if that is not reported."""
    if MEMINFO.exists():
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def refuse_beyond_memory(needed: int, what: str, remedy: str) -> None:
    """Raises an error before a computation that the system would kill for lack of memory.

    Args:
        needed: peak memory in bytes.
        what: what needs the memory; the beginning of the error message.
        remedy: what to do about it; the end of the error message.

    Raises:
        UnsupportedError: less is available.
    """
    available = available_bytes()
    if needed > available:
        raise UnsupportedError(
            f"{what} need {needed / 2**30:.1f} GiB of memory, but {available / 2**30:.1f} GiB are "
            f"available; {remedy}"
        )
