"""What a computation in one piece may take of this machine's memory."""

import os
from pathlib import Path

from tastemaker.errors import UnsupportedError

MEMINFO = Path("/proc/meminfo")


def available_bytes() -> int:
    """Memory to be had without swapping; where the system does not say, all that is built in."""
    if MEMINFO.exists():
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def refuse_beyond_memory(needed: int, what: str, remedy: str) -> None:
    """Stops before a computation that the system would kill half-way.

    Args:
        needed: bytes at the peak.
        what: that needs them, as the beginning of the error.
        remedy: what to do about it, as its end.

    Raises:
        UnsupportedError: less is available.
    """
    there = available_bytes()
    if needed > there:
        raise UnsupportedError(
            f"{what} need {needed / 2**30:.1f} GiB of memory, and {there / 2**30:.1f} GiB are "
            f"available; {remedy}"
        )
