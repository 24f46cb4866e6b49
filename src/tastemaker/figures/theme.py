"""Colours and settings that all figures share."""

from dataclasses import dataclass
from typing import Any

FONT_SIZE = 12


@dataclass(frozen=True)
class Palette:
    """The colours of a figure."""

    ink: str
    muted: str
    grid: str
    accent: str
    paper: str
    """The background, with which hollow dots are filled."""


ON_WHITE = Palette("#333333", "#6b7280", "#e6e6e6", "#0b6e99", "#ffffff")
"""For figures with a background of their own, which are readable in any notebook."""


def settings_of(palette: Palette) -> dict[str, Any]:
    """Returns Matplotlib's settings for figures in these colours."""
    return {
        "text.parse_math": False,  # a "$" in a model's label is a dollar sign
        "font.size": FONT_SIZE,
        "text.color": palette.ink,
        "figure.facecolor": palette.paper,
        "axes.facecolor": palette.paper,
        "axes.edgecolor": palette.grid,
        "axes.labelcolor": palette.muted,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": palette.grid,
        "grid.linewidth": 1,
        "xtick.labelcolor": palette.muted,
        "ytick.labelcolor": palette.muted,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "xtick.major.pad": 6,
        "ytick.major.pad": 6,
    }
