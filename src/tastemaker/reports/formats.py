"""Formats numbers and names for a report."""

import math

from tastemaker.metrics.names import title
from tastemaker.training.validation import plain_name, ranking_method

ABSENT = "–"


def metric_title(name: str) -> str:
    """Returns the title of a metric, such as NDCG@10 for `ndcg@10`.

    The title of a validation metric includes how it was measured.
    """
    method = ranking_method(name)
    if method:
        return f"{metric_title(plain_name(name))} ({method})"
    return title(name)


def missing(value: float | None) -> bool:
    """Returns whether a number is None or NaN."""
    return value is None or math.isnan(value)


def decimals(value: float | None, places: int = 4) -> str:
    """Formats a number with this many decimals; accuracy metrics have 4."""
    return ABSENT if value is None or missing(value) else f"{value:,.{places}f}"


def percent(fraction: float | None) -> str:
    """Formats a fraction in percent with one decimal, or with two below 0.1%."""
    if fraction is None or missing(fraction):
        return ABSENT
    return f"{fraction:.2%}" if 0 < fraction < 0.001 else f"{fraction:.1%}"


def p_value(p: float) -> str:
    """Formats a p-value with three decimals, or as `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def seconds(elapsed_s: float | None) -> str:
    """Formats a duration: 0.31 s, 3.2 s, 2 min 5 s, 1 h 3 min."""
    if elapsed_s is None or missing(elapsed_s):
        return ABSENT
    if elapsed_s < 1:
        return f"{elapsed_s:.2f} s" if elapsed_s >= 0.01 else "under 0.01 s"
    if elapsed_s < 59.95:
        return f"{elapsed_s:.1f} s"
    minutes, remaining_s = divmod(round(elapsed_s), 60)
    if minutes < 60:
        return f"{minutes} min {remaining_s} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def counted(n: int, noun: str) -> str:
    """Formats a count with its noun: 1 user, 6,040 users."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def listed(names: list[str]) -> str:
    """Joins names: `a`, `a and b`, `a, b and c`."""
    return " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), *names[-1:]])
