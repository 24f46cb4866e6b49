"""Entries of the reference of Python: what autodoc does not show as it is meant.

- Napoleon takes the text before the first colon of an attribute's docstring for its type. The types
  of ours are annotations, and the colon is part of a sentence.
- A default that is made by a function has no readable form.
- The paper of a model is in the docstring of its file, and its settings are on a page of their own.
"""

import inspect
import re
import sys
from typing import Any

from sphinx.application import Sphinx

import tastemaker as tm

ATTRIBUTES = ("attribute", "data", "property")
BEFORE_NAPOLEON = 400
MADE_BY_FUNCTION = re.compile(r"<factory>|<function [\w.]+<lambda>>")


def keep_sentences(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Begins the docstring of an attribute with an empty comment, whose line has no colon."""
    if what in ATTRIBUTES:
        lines[:0] = ["..", ""]


def shorten_defaults(
    app: Sphinx,
    what: str,
    name: str,
    thing: Any,
    options: Any,
    signature: str | None,
    returned: str | None,
) -> tuple[str, str | None] | None:
    """Writes … for each default that is made by a function."""
    return None if signature is None else (MADE_BY_FUNCTION.sub("…", signature), returned)


def add_paper_and_settings(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Adds the paper of a model and a link to its settings."""
    if what != "class" or not issubclass(thing, tm.Recommender) or thing is tm.Recommender:
        return
    text = inspect.cleandoc(sys.modules[thing.__module__].__doc__ or "")
    _, _, paper = text.partition("\n\n")
    section = thing.name.replace("_", "-")
    settings = f"`Settings of {thing.name} <../settings.html#{section}>`__"
    lines += [*paper.splitlines(), "", settings, ""]


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers all three with Sphinx."""
    app.connect("autodoc-process-docstring", keep_sentences, priority=BEFORE_NAPOLEON)
    app.connect("autodoc-process-docstring", add_paper_and_settings)
    app.connect("autodoc-process-signature", shorten_defaults)
    return {"parallel_read_safe": True}
