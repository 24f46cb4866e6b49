"""Names in the reference of Python as users write them: `tm.Split` is `tastemaker.Split`.

Annotations name a class by the module that defines it. Where the class is public, the link leads to
its public name.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import tastemaker as tm

STUB = Path(tm.__file__).with_suffix(".pyi")
PUBLIC = {
    f"tastemaker.{module}.{name}": f"tastemaker.{name}"
    for module, name in re.findall(r"^from \.(\S+) import (\w+) as", STUB.read_text(), re.M)
}


def public_reference(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Resolves a reference to a class by its defining module, if the class has a public name."""
    public = PUBLIC.get(node["reftarget"])
    if node.get("refdomain") != "py" or public is None:
        return None
    python = env.domains.python_domain
    return python.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], public, node, content
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers it with Sphinx."""
    app.connect("missing-reference", public_reference)
    return {"parallel_read_safe": True}
