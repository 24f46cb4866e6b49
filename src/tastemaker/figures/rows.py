"""Rows: one labelled line with a dot per model or subset, such as a mean and its interval."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tastemaker.deferred import DeferredModule
from tastemaker.errors import UnsupportedError
from tastemaker.figures.labels import shortened, width_of_labels
from tastemaker.figures.theme import ON_WHITE, Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

canvas = DeferredModule("tastemaker.figures.canvas")

WIDTH, ROW_HEIGHT = 620, 26
RIGHT, TOP, BOTTOM = 60, 62, 52

MAX_LABEL_LENGTH = 36
"""Maximum number of characters of a label; the middle of a longer one is left out."""

TITLE_LENGTH = 95
"""Maximum number of characters in a line of the title."""


@dataclass(frozen=True)
class Row:
    """A line from `start` to `end`, with a dot at `value`."""

    label: str
    start: float
    value: float
    end: float
    text: str = ""
    """Written beside the right end of the line."""
    highlighted: bool = True
    """Whether the dot is filled and coloured instead of hollow and grey."""


def draw_rows(axes: "Axes", rows: Sequence[Row], palette: Palette) -> None:
    """Draws the rows from top to bottom; the limits of the horizontal axis are set elsewhere."""
    for y, row in enumerate(rows):
        colour = palette.accent if row.highlighted else palette.muted
        axes.plot([row.start, row.end], [y] * 2, color=colour, linewidth=1, alpha=0.6)
        axes.plot(
            row.value,
            y,
            "o",
            markersize=8 if row.highlighted else 11,  # so that it shows around a filled one
            markeredgecolor=colour,
            markeredgewidth=1.6,
            markerfacecolor=colour if row.highlighted else palette.paper,
            clip_on=False,
        )
        if not math.isnan(row.end):
            axes.annotate(row.text, (row.end, y), (9, 0), textcoords="offset points", va="center")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), _labels(rows), color=palette.ink)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)


def rows_figure(series: Mapping[str, Sequence[Row]], *, title: str, x_title: str) -> "Figure":
    """Returns a figure with one or several dots in each row.

    Args:
        series: rows by name; all with the same labels. The names are shown if there are several.
        title: what was measured, and how.
        x_title: the label below the horizontal axis.

    Raises:
        UnsupportedError: Matplotlib is not installed.
    """
    labels = _labels(next(iter(series.values())))
    left = width_of_labels(labels)
    height = TOP + ROW_HEIGHT * len(labels) + BOTTOM

    def paint(figure: "Figure") -> None:
        extent = ((WIDTH - left - RIGHT) / WIDTH, (height - TOP - BOTTOM) / height)
        axes = figure.add_axes((left / WIDTH, BOTTOM / height, *extent))
        for rows in reversed(list(series.values())):  # the first is drawn above the others
            draw_rows(axes, rows, ON_WHITE)
        axes.margins(x=0.05)
        axes.set_xlabel(x_title, loc="left", labelpad=8)
        lines = textwrap.fill(title, TITLE_LENGTH)
        figure.text(8 / WIDTH, 1 - 8 / height, lines, va="top", size=10)
        if len(series) > 1:
            _name_series(axes, series)

    try:
        return canvas.painted((WIDTH, height), paint)
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise UnsupportedError(
            "figures need the package Matplotlib: pip install matplotlib"
        ) from None


def _labels(rows: Sequence[Row]) -> list[str]:
    return [shortened(row.label, MAX_LABEL_LENGTH) for row in rows]


def _name_series(axes: "Axes", series: Mapping[str, Sequence[Row]]) -> None:
    """Adds a legend above the rows, with one dot for each series."""
    for name, rows in series.items():
        colour = ON_WHITE.accent if rows[0].highlighted else ON_WHITE.muted
        fill = colour if rows[0].highlighted else ON_WHITE.paper
        axes.plot([], [], "o", markeredgecolor=colour, markerfacecolor=fill, label=name)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=len(series), frameon=False, fontsize=10,
        borderaxespad=0,
    )  # fmt: skip
