"""Pictures with a light and a dark form.

In the Markdown of the repository such a picture is a <picture> of HTML, whose form follows the
system's setting. On the site it follows the switch of the page, by the classes of the theme.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

SOURCE = re.compile(r'<source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)">')
IMAGE = re.compile(r'<img src="([^"]+)" alt="([^"]*)">')


class LightAndDark(SphinxTransform):
    """Replaces each <picture> by two images, of which a page shows one."""

    default_priority = 100  # before Sphinx looks for images

    def apply(self) -> None:
        """Replaces them in one document."""
        for raw in list(self.document.findall(nodes.raw)):
            dark, light = SOURCE.search(raw.astext()), IMAGE.search(raw.astext())
            if dark is None or light is None:
                continue
            raw.replace_self(
                nodes.paragraph(
                    "",
                    "",
                    nodes.image(uri=light[1], alt=light[2], classes=["only-light"]),
                    nodes.image(uri=dark[1], alt=light[2], classes=["only-dark"]),
                )
            )


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the transform with Sphinx."""
    app.add_transform(LightAndDark)
    return {"parallel_read_safe": True}
