"""Figures as SVG inside a page: text stays text, and colours follow the page's theme."""

import io
import re
import warnings
from collections.abc import Callable
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib import style
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, MUTED, GRID, ACCENT, PAPER = "#000001", "#000002", "#000003", "#000004", "#000005"
"""Placeholder colours of a figure, which are replaced by colours of the page's theme."""

THEME = {INK: "ink", MUTED: "muted", GRID: "grid", ACCENT: "accent", PAPER: "paper"}

FONT_SIZE = 12

SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tastemaker",
    "text.parse_math": False,  # a "$" in a model's label is a dollar sign
    "font.size": FONT_SIZE,
    "text.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 1,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 6,
    "ytick.major.pad": 6,
}


def inline_svg(
    name: str,
    size: tuple[int, int],
    title: str,
    description: str,
    paint: Callable[[Figure], None],
) -> Markup:
    """Draws a figure for a page; the same call gives the same text.

    Args:
        name: a unique name on the page; the ids in the figure begin with it.
        size: width and height in CSS pixels at its natural size.
        title: the title of the figure, for readers who cannot see it.
        description: what the figure shows, for readers who cannot see it.
        paint: draws into the figure, with SETTINGS as Matplotlib's settings.
    """
    file = io.StringIO()
    with style.context(["default", SETTINGS], after_reset=True), warnings.catch_warnings():
        # The browser uses its own fonts, so a glyph missing from Matplotlib's does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(size[0] / 72, size[1] / 72), dpi=72)
        FigureCanvasSVG(figure)
        paint(figure)
        figure.savefig(file, format="svg", metadata={"Date": None})
    return Markup(_for_page(file.getvalue(), name, title, description))


def _for_page(svg: str, name: str, title: str, description: str) -> str:
    """Removes metadata, style sheet and namespaces, and adds what an SVG inside a page needs."""
    root = ElementTree.fromstring(svg)
    for element in root.findall("./{*}metadata") + root.findall("./{*}defs[{*}style]"):
        root.remove(element)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {
            _local(key): _themed(_local(key), value, name) for key, value in element.attrib.items()
        }
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib |= {"role": "img", "aria-labelledby": f"{name}-title {name}-desc"}
    for tag, text in (("desc", description), ("title", title)):
        element = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(0, element)
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _themed(attribute: str, value: str, name: str) -> str:
    """Makes ids in an attribute's value unique, and leaves its colours and fonts to the page."""
    if attribute == "id":
        return f"{name}-{value}"
    if attribute == "style":
        for colour, variable in THEME.items():
            value = value.replace(colour, f"var(--{variable})")
        value = re.sub(r"font: [^;]*?(\d+(?:\.\d+)?px) [^;]*", r"font-size: \1", value)
    return re.sub(r"^#|(?<=url\()#", f"#{name}-", value)
