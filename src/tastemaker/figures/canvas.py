"""Figures that show themselves in a notebook, without pyplot and its global state."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib import style
from matplotlib.figure import Figure

from tastemaker.figures.theme import ON_WHITE, settings_of

POINTS_PER_INCH, DPI = 72, 144
"""A notebook shows one point as one pixel; the picture has twice as many, for sharp screens."""


class ShownFigure(Figure):
    """A Matplotlib figure that a notebook shows as a picture."""

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        file = io.BytesIO()
        with _any_text():
            self.savefig(file, format="png", dpi=DPI)
        width, height = (round(inches * POINTS_PER_INCH) for inches in self.get_size_inches())
        return file.getvalue(), {"width": width, "height": height}


def painted(size: tuple[float, float], paint: Callable[[Figure], None]) -> Figure:
    """Returns a figure in the colours of ON_WHITE.

    Args:
        size: width and height in points.
        paint: draws into the figure.
    """
    width, height = size
    with style.context(["default", settings_of(ON_WHITE)], after_reset=True):
        figure = ShownFigure(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH), dpi=DPI)
        paint(figure)
        with _any_text():
            # Matplotlib creates some texts when it draws, and they must get these settings.
            figure.draw_without_rendering()
    return figure


@contextmanager
def _any_text() -> Iterator[None]:
    """Silences the warning about letters that the font does not have, which are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
