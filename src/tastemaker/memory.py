"""Checks whether a large computation fits into this machine's memory."""

import psutil

from tastemaker.errors import UnsupportedError


def available_bytes() -> int:
    """Returns the bytes that are available without swapping."""
    return int(psutil.virtual_memory().available)


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
