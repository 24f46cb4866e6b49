"""How Sphinx builds the site, by `make site`.

The sources are the whole repository, so that a link from one page to another, or to a file outside
docs/, is the same in the repository and on the site.
"""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "Tastemaker"
author = "The Tastemaker founders"
project_copyright = author
release = installed_version("tastemaker")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_external_toc",
    "entries",
    "folders",
    "pictures",
    "public_names",
]
external_toc_path = "docs/_toc.yml"
include_patterns = [
    "docs/**",
    "benchmarks/README.md",
    "benchmarks/*/README.md",
    "benchmarks/results/*.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "deploy/README.md",
]
exclude_patterns = [".*", "build", "dist", "runs", "src", "tests"]

myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False  # an override without a docstring adds nothing to the method
autodoc_preserve_defaults = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autosummary_generate = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
add_module_names = False
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
smartquotes = False  # quotes of texts in code are as they are typed
default_role = "py:obj"  # `name` in a docstring is a link where it names something public
nitpicky = True
nitpick_ignore_regex = [
    ("py:obj", ".*"),
    ("py:.*", r"(collections|concurrent|datetime|httpx2|numpy|pathlib|polars|torch|typing)\..*"),
    ("py:class", "Figure"),  # of Matplotlib, which is imported late
    ("py:.*", r"tastemaker\.\w+\..*"),  # types that are not public, in annotations
]

html_theme = "pydata_sphinx_theme"
html_title = f"Tastemaker {release}"
html_logo = html_favicon = "../src/tastemaker/web/static/icon.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["site_root"]
html_copy_source = False
html_theme_options = {
    "logo": {"text": "Tastemaker"},
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {"**": ["page-toc"], "docs/index": []},
}
html_sidebars = {"docs/index": [], "docs/tutorial": []}
html_context = {"default_mode": "auto"}
