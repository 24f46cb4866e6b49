"""Formats times and numbers for people."""

from datetime import UTC, datetime

_STEPS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def day(timestamp: int | float) -> str:
    """The day of a timestamp in UTC, as in `25 Nov 2026`."""
    time = datetime.fromtimestamp(timestamp, UTC)
    return f"{time.day} {time:%b %Y}"


def ago(timestamp: int | float, now: float | None = None) -> str:
    """The time since a timestamp, as in `3 hours ago`; its day if that is over 30 days ago."""
    now = datetime.now(UTC).timestamp() if now is None else now
    elapsed_s = max(0, int(now - timestamp))
    if elapsed_s > 30 * 86_400:
        return day(timestamp)
    for length, name in _STEPS:
        n = elapsed_s // length
        if n:
            return f"{n} {name}{'' if n == 1 else 's'} ago"
    return "just now"


def long_number(value: int | float) -> str:
    """A number rounded to an integer, as in `12,345`."""
    return f"{value:,.0f}"
