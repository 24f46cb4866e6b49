"""How a cost grows with the size: the slope of a straight line through the logarithms."""

import math
from collections.abc import Sequence
from statistics import linear_regression

from harness.results import Result


def has_slope(result: Result) -> bool:
    """Whether several sizes of one thing were measured."""
    return result.growth and len(sizes(result)) > 1


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
    """Exponent of the growth by least squares: 1 is linear, 2 quadratic."""
    log_x, log_y = [math.log(value) for value in x], [math.log(value) for value in y]
    return linear_regression(log_x, log_y).slope
