"""Lines: a metric by the number of known interactions, one labelled line per model."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from tastemaker.figures.labels import shortened
from tastemaker.figures.theme import FONT_SIZE
from tastemaker.reports.placement import stack_labels
from tastemaker.reports.svg import ACCENT, INK, MUTED, PAPER, inline_svg

WIDTH, MIN_HEIGHT = 420, 310
LEFT, RIGHT, TOP, BOTTOM = 54, 4, 34, 48

CHARACTER_WIDTH, ROW_HEIGHT = 0.57 * FONT_SIZE, 1.25 * FONT_SIZE
"""Assumed width of a character and height of a label; the browser's font is unknown."""

LABEL_DISTANCE = 24
"""Distance from the end of a line to its label, in pixels."""

Dashes = tuple[int, tuple[float, ...]]

DASHES: tuple[Dashes, ...] = ((0, ()), (0, (5, 2)), (0, (1.2, 1.8)), (0, (7, 2, 1.5, 2)))
"""Dash patterns of the lines of one colour, used in turn."""


@dataclass(frozen=True)
class ModelLine:
    """The line of one model."""

    label: str
    values: tuple[float, ...]
    leads: tuple[bool, ...]
    """For each value, whether it is the best of all models; its point is drawn filled."""


def line_figure(
    name: str,
    lines: Sequence[ModelLine],
    lengths: Sequence[int],
    *,
    title: str,
    x_title: str,
    y_title: str,
    description: str,
) -> Markup:
    """Draws the lines; those that are the best at some length are highlighted.

    Args:
        name: a unique name on the page.
        lines: at least one, with a value for each length.
        lengths: numbers of interactions, ascending and above 0; on a logarithmic scale.
        title: the title of the figure, for readers who cannot see it.
        x_title: the label below the horizontal axis.
        y_title: the label above the vertical axis.
        description: what the figure shows, for readers who cannot see it.
    """
    labels = [shortened(line.label, 18) for line in lines]
    right = LABEL_DISTANCE + RIGHT + max(map(len, labels)) * CHARACTER_WIDTH
    height = max(MIN_HEIGHT, int(TOP + BOTTOM + ROW_HEIGHT * len(lines)))

    def paint(figure: Figure) -> None:
        extent = ((WIDTH - LEFT - right) / WIDTH, (height - TOP - BOTTOM) / height)
        axes = figure.add_axes((LEFT / WIDTH, BOTTOM / height, *extent))
        _scale(axes, lines, lengths)
        axes.set_xlabel(x_title, loc="left", labelpad=8)
        axes.text(8, height - 14, y_title, transform=None, color=MUTED)
        for colour, leading in ((MUTED, False), (ACCENT, True)):
            same_colour = [line for line in lines if any(line.leads) is leading]
            for i, line in enumerate(same_colour):
                _draw(axes, line, lengths, colour, DASHES[i % len(DASHES)])
        _label(axes, lines, labels, lengths[-1], height)

    return inline_svg(name, (WIDTH, height), title, description, paint)


def _scale(axes: Axes, lines: Sequence[ModelLine], lengths: Sequence[int]) -> None:
    axes.set_xscale("log")
    axes.set_xlim(lengths[0] / 1.1, lengths[-1] * 1.04)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(lengths, [f"{length:,}" for length in lengths])
    axes.set_ylim(0, max(max(line.values) for line in lines) * 1.08 or 0.01)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="x", visible=False)
    axes.spines["left"].set_visible(False)


def _draw(axes: Axes, line: ModelLine, lengths: Sequence[int], colour: str, dashes: Dashes) -> None:
    axes.plot(lengths, line.values, linestyle=dashes, color=colour, linewidth=1.8, clip_on=False)
    for length, value, leads in zip(lengths, line.values, line.leads, strict=True):
        axes.plot(
            length,
            value,
            "o",
            markersize=8 if leads else 5,
            markeredgecolor=colour,
            markeredgewidth=1.6,
            markerfacecolor=colour if leads else PAPER,
            clip_on=False,
            zorder=4 if leads else 3,
        )


def _label(
    axes: Axes, lines: Sequence[ModelLine], labels: Sequence[str], last: int, height: float
) -> None:
    """Draws each label at the end of its line, moved up or down where labels would overlap."""
    ends = [axes.transData.transform((last, line.values[-1])) for line in lines]
    label_ys = stack_labels([float(y) for _, y in ends], ROW_HEIGHT, BOTTOM, height - TOP)
    for line, label, (x, y), label_y in zip(lines, labels, ends, label_ys, strict=True):
        axes.plot(
            [x + 7, x + LABEL_DISTANCE - 4],
            [y, label_y],
            transform=None,
            color=MUTED,
            linewidth=0.7,
            alpha=0.7,
            clip_on=False,
        )
        axes.text(
            x + LABEL_DISTANCE,
            label_y - 0.36 * FONT_SIZE,
            label,
            transform=None,
            va="baseline",
            color=INK,
            fontweight="bold" if any(line.leads) else "normal",
        )
