"""Links to folders of the repository: the site has no page for them, and shows their text alone."""

from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform


class LinksToFolders(SphinxTransform):
    """Replaces each link to a folder by the text of the link."""

    default_priority = 100

    def apply(self) -> None:
        """Replaces them in one document."""
        page = Path(self.env.doc2path(self.env.docname))
        for link in list(self.document.findall(pending_xref)):
            target = link.get("reftarget")
            if link["reftype"] == "myst" and target and (page.parent / target).is_dir():
                link.replace_self(nodes.inline("", "", *link.children))


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the transform with Sphinx."""
    app.add_transform(LinksToFolders)
    return {"parallel_read_safe": True}
