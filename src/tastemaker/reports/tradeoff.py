"""Trade-off: accuracy against training time or coverage, one labelled point per model."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from tastemaker.figures.labels import shortened
from tastemaker.figures.theme import FONT_SIZE
from tastemaker.reports.formats import missing
from tastemaker.reports.placement import Box, place_labels
from tastemaker.reports.svg import ACCENT, INK, MUTED, PAPER, inline_svg

WIDTH, HEIGHT = 420, 330
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 34, 48

CHARACTER_WIDTH = 0.57 * FONT_SIZE
"""Assumed width of a character in pixels, since the browser's font is unknown."""

TIME_TICKS = {
    0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1.0: "1 s", 10.0: "10 s", 60.0: "1 min",
    600.0: "10 min", 3600.0: "1 h", 36_000.0: "10 h", 360_000.0: "100 h",
}  # fmt: skip
"""Tick marks of a time axis: seconds and their labels."""


@dataclass(frozen=True)
class Point:
    """The point of one model."""

    label: str
    x: float
    y: float
    low: float
    high: float
    """`low` and `high` are the ends of the interval of y."""
    near_best: bool
    """Whether the point is drawn filled instead of hollow."""


def tradeoff(
    name: str,
    points: Sequence[Point],
    *,
    title: str,
    x_title: str,
    y_title: str,
    description: str,
    time: bool = False,
) -> Markup:
    """Draws the points; x is seconds on a logarithmic scale, or a fraction from 0 to 1.

    Args:
        name: a unique name on the page.
        points: at least one, with y known; x must be above 0 if it is time.
        title: the title of the figure, for readers who cannot see it.
        x_title: the label below the horizontal axis.
        y_title: the label above the vertical axis.
        description: what the figure shows, for readers who cannot see it.
        time: whether x is time.
    """

    def paint(figure: Figure) -> None:
        plot = (LEFT / WIDTH, BOTTOM / HEIGHT)
        extent = ((WIDTH - LEFT - RIGHT) / WIDTH, (HEIGHT - TOP - BOTTOM) / HEIGHT)
        axes = figure.add_axes((*plot, *extent))
        _scale_y(axes, points)
        _scale_time(axes, points) if time else _scale_fraction(axes, points)
        axes.set_xlabel(x_title, loc="right", labelpad=8)
        axes.text(8, HEIGHT - 14, y_title, transform=None, color=MUTED)
        _draw(axes, points)
        _label(axes, points)

    return inline_svg(name, (WIDTH, HEIGHT), title, description, paint)


def _draw(axes: Axes, points: Sequence[Point]) -> None:
    for point in points:
        colour = ACCENT if point.near_best else MUTED
        axes.plot([point.x] * 2, [point.low, point.high], color=colour, linewidth=1, alpha=0.45)
        axes.plot(
            point.x,
            point.y,
            "o",
            markersize=8,
            markeredgecolor=colour,
            markeredgewidth=1.6,
            markerfacecolor=colour if point.near_best else PAPER,
            clip_on=False,
            zorder=3,
        )


def _label(axes: Axes, points: Sequence[Point]) -> None:
    to_pixels = axes.transData.transform
    centres = [tuple(to_pixels((p.x, p.y))) for p in points]
    ends = [
        (to_pixels((p.x, p.low)), to_pixels((p.x, p.high))) for p in points if not missing(p.low)
    ]
    whiskers = [Box(low[0] - 2, low[1], high[0] + 2, high[1]) for low, high in ends]
    labels = [shortened(p.label) for p in points]
    sizes = [(len(label) * CHARACTER_WIDTH, FONT_SIZE * 1.15) for label in labels]
    area = Box(LEFT + 4, BOTTOM + 3, WIDTH - 2, HEIGHT - TOP + 10)
    boxes = place_labels(centres, sizes, area, whiskers)
    for point, (x, y), box, label in zip(points, centres, boxes, labels, strict=True):
        _connect(axes, x, y, box)
        side = "left" if box.left > x else "right" if box.right < x else "center"
        label_x = {"left": box.left, "right": box.right, "center": (box.left + box.right) / 2}[side]
        axes.text(
            label_x,
            (box.bottom + box.top) / 2 - 0.36 * FONT_SIZE,
            label,
            transform=None,
            ha=side,
            va="baseline",
            color=INK,
            fontweight="bold" if point is points[0] else "normal",
        )


def _connect(axes: Axes, x: float, y: float, box: Box) -> None:
    """Draws a thin line to a label that is not next to its point."""
    near_x = min(max(x, box.left), box.right)
    near_y = min(max(y, box.bottom), box.top)
    if (near_x - x) ** 2 + (near_y - y) ** 2 > 15**2:
        axes.plot([x, near_x], [y, near_y], transform=None, color=MUTED, linewidth=0.7, alpha=0.7)


def _scale_y(axes: Axes, points: Sequence[Point]) -> None:
    ends = [v for p in points for v in (p.low, p.y, p.high) if not missing(v)]
    low, high = min(ends), max(ends)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 0.01
    # The scale begins at 0 where that leaves enough room for the differences.
    axes.set_ylim(0 if 0 <= low < 0.4 * high else low - margin, high + margin)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="x", visible=False)
    axes.spines["left"].set_visible(False)


def _scale_time(axes: Axes, points: Sequence[Point]) -> None:
    min_x, max_x = min(p.x for p in points), max(p.x for p in points)
    first = max((t for t in TIME_TICKS if t <= min_x), default=min(TIME_TICKS))
    last = min((t for t in TIME_TICKS if t >= max_x and t > first), default=max(TIME_TICKS))
    marks = [t for t in TIME_TICKS if first <= t <= last]
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(marks, [TIME_TICKS[t] for t in marks])
    axes.set_xlim(min(first, min_x) / 1.25, max(last, max_x) * 1.25)


def _scale_fraction(axes: Axes, points: Sequence[Point]) -> None:
    max_x = max(p.x for p in points)
    axes.set_xlim(-0.03 * max_x, (max_x or 0.01) * 1.12)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda fraction, _: f"{fraction * 100:.3g}%"))
