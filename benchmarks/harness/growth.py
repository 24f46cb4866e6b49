"""How a cost grows with the size: the slope of a straight line through the logarithms."""

import math
from collections.abc import Sequence

from harness.results import Result


def sizes(result: Result) -> list[int]:
    """Rows of each contender that was measured."""
    return [row.answers[0]["rows"] for row in result.rows if row.measured]


def seconds(result: Result) -> list[float]:
    """Seconds of each contender that was measured."""
    return [row.cost for row in result.rows if row.measured]


def peaks_gib(result: Result) -> list[float]:
    """Peak memory, in GiB, of each contender that was measured."""
    return [row.peak_gib for row in result.rows if row.measured]


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """1 where y grows as x does, 2 where with its square; by least squares."""
    log_x, log_y = [math.log(value) for value in x], [math.log(value) for value in y]
    mean_x, mean_y = sum(log_x) / len(x), sum(log_y) / len(y)
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(log_x, log_y, strict=True))
    return covariance / sum((a - mean_x) ** 2 for a in log_x)
