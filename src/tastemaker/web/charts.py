"""Charts: the coordinates of bars, lines and intervals; the templates draw them."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 420.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 12.0, 26.0
ROUND_NUMBERS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Bar:
    """One bar: its rectangle and its value."""

    x: float
    y: float
    width: float
    height: float
    value: float


@dataclass(frozen=True)
class Bars:
    """Bars over time, and the value at the top of the drawing."""

    bars: list[Bar]
    top: float


@dataclass(frozen=True)
class Series:
    """Values in the order of time, with an interval for each if there are any."""

    name: str
    kind: str
    """Class in the style sheet."""
    values: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class DrawnSeries:
    """A series in coordinates of the drawing."""

    name: str
    kind: str
    path: str
    band: str
    dots: list[tuple[float, float, float]]
    """x, y and value."""


@dataclass(frozen=True)
class Lines:
    """A line chart."""

    lines: list[DrawnSeries]
    ticks: list[tuple[float, float]]
    """y and value."""


@dataclass(frozen=True)
class IntervalBar:
    """A value, its interval, and other values to compare it with, in percent of the width."""

    low: float
    value: float
    high: float
    others: list[float]


def bars(values: Sequence[float], width: float = 600.0, height: float = 100.0) -> Bars:
    """Lays out one bar for each value, in their order."""
    top = rounded_up(max([1.0, *values]))
    step = width / max(1, len(values))
    return Bars(
        [
            Bar(
                round(position * step + step * 0.15, 2),
                round(height - height * value / top, 2),
                round(step * 0.7, 2),
                round(height * value / top, 2),
                value,
            )
            for position, value in enumerate(values)
        ],
        top,
    )


def lines(series: Sequence[Series]) -> Lines:
    """Lays out several series on one scale that starts at zero."""
    top = rounded_up(max([1e-9, *(v for each in series for v in [*each.values, *each.high])]))
    n = max((len(each.values) for each in series), default=0)

    def point(position: int, value: float) -> tuple[float, float]:
        fraction = position / (n - 1) if n > 1 else 0.5
        x = LEFT + fraction * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), 1)

    def path(points: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{x} {y}" for x, y in points) if points else ""

    drawn_series = []
    for each in series:
        points = [point(*pair) for pair in enumerate(each.values)]
        outline = [point(*pair) for pair in enumerate(each.high)]
        outline += [point(*pair) for pair in enumerate(each.low)][::-1]
        dots = [(x, y, value) for (x, y), value in zip(points, each.values, strict=True)]
        drawn_series.append(
            DrawnSeries(
                each.name,
                each.kind,
                path(points),
                f"{path(outline)}Z" if outline else "",
                dots,
            )
        )
    ticks = [(point(0, fraction * top)[1], fraction * top) for fraction in (0.0, 0.5, 1.0)]
    return Lines(drawn_series, ticks)


def whisker(
    low: float, value: float, high: float, others: Sequence[float], top: float
) -> IntervalBar:
    """Lays out an interval on a scale from zero to `top`."""

    def percent(number: float) -> float:
        return round(100 * number / top, 2) if top > 0 else 0.0

    return IntervalBar(
        percent(low), percent(value), percent(high), [percent(other) for other in others]
    )


def rounded_up(value: float) -> float:
    """The smallest round number that is at least the value, within 0.1%."""
    magnitude = 1.0
    while magnitude * 10 <= value:
        magnitude *= 10
    while magnitude > value:
        magnitude /= 10
    return next(magnitude * step for step in ROUND_NUMBERS if magnitude * step >= value * 0.999)
