"""Figures as SVG inside a page: text stays text, and colours follow the page's theme."""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import asdict
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib import style
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tastemaker.figures.theme import Palette, settings_of

PLACEHOLDERS = Palette("#000001", "#000002", "#000003", "#000004", "#000005")
"""Colours of a figure that are replaced by colours of the page's theme."""

INK, MUTED, ACCENT, PAPER = (
    PLACEHOLDERS.ink, PLACEHOLDERS.muted, PLACEHOLDERS.accent, PLACEHOLDERS.paper,
)  # fmt: skip

SETTINGS = settings_of(PLACEHOLDERS) | {
    "svg.fonttype": "none",
    "svg.hashsalt": "tastemaker",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
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
        for variable, colour in asdict(PLACEHOLDERS).items():
            value = value.replace(colour, f"var(--{variable})")
        value = re.sub(r"font: [^;]*?(\d+(?:\.\d+)?px) [^;]*", r"font-size: \1", value)
    return re.sub(r"^#|(?<=url\()#", f"#{name}-", value)
