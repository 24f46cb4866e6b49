"""The site of the documentation: built without a warning, with every public name, no dead link."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import tastemaker as tm

ROOT = Path(__file__).parents[2]
PUBLIC_NAMES = re.findall(r" as (\w+)$", Path(tm.__file__).with_suffix(".pyi").read_text(), re.M)
RESOURCES = ("img", "link", "script", "source")
PAGES = [
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "benchmarks").rglob("*.md"),
    *ROOT.glob("*.md"),
]


class Page(HTMLParser):
    """The anchors of a page, and what it links to and loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.resources: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.anchors.add(values.get("id") or "")
        target = values.get("href") or values.get("src")
        if target is not None:
            (self.resources if tag in RESOURCES else self.links).append(target)


def build(folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-c", ROOT / "docs",
         "-d", folder / "doctrees", ROOT, folder / "site"],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "site"


def dead_links(path: Path, pages: dict[Path, Page]) -> list[str]:
    """The links of a page to files that do not exist, or to anchors that a page does not have."""
    dead = []
    for link in pages[path].links + pages[path].resources:
        url = urlsplit(link)
        if url.scheme:
            continue
        target = (path.parent / unquote(url.path)).resolve() if url.path else path
        anchor_is_there = target not in pages or unquote(url.fragment) in pages[target].anchors
        if not target.exists() or (url.fragment and not anchor_is_there):
            dead.append(f"{path.name}: {link}")
    return dead


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_every_link_on_it_leads_somewhere(
    tmp_path: Path,
) -> None:
    site = build(tmp_path)
    files = site.resolve().rglob("*.html")
    pages = {path: Page(path) for path in files if "_static" not in path.parts}  # of the theme
    assert [dead for path in pages for dead in dead_links(path, pages)] == []
    loaded = {resource for page in pages.values() for resource in page.resources}
    assert not [resource for resource in loaded if urlsplit(resource).netloc]
    anchors = set.union(*(page.anchors for page in pages.values()))
    assert {f"tastemaker.{name}" for name in PUBLIC_NAMES} <= anchors


def test_the_reference_of_python_has_each_public_name_once() -> None:
    text = "".join(path.read_text() for path in (ROOT / "docs" / "api").glob("*.rst"))
    entries = re.findall(r"^\.\. auto(?:class|exception|function):: (\w+)$", text, re.M)
    assert sorted(entries) == sorted(PUBLIC_NAMES)


def test_the_overview_of_the_reference_names_every_entry() -> None:
    overview = (ROOT / "docs" / "api" / "index.rst").read_text()
    assert set(re.findall(r"^   (\w+)$", overview, re.M)) == set(PUBLIC_NAMES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_other_sites_are_secure_and_complete(page: Path) -> None:
    for link in re.findall(r"\]\((\w+:[^)]*)\)", page.read_text()):
        url = urlsplit(link)
        assert url.scheme == "https", f"{page.name} links to {link}"
        assert "." in (url.hostname or ""), f"{page.name} links to {link}"
        assert not re.search(r"\s", link), f"{page.name} links to {link}"
