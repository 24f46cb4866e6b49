"""The notebooks run on a machine without data and without internet, and show themselves well."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"
SOURCES = sorted(NOTEBOOKS.glob("*.py"))

MOST_OUTPUTS = 5
"""Of one cell: notes, lines of progress, and the result."""

LARGEST = 1_000_000
"""Bytes of a notebook with its output."""


def test_there_are_notebooks_and_their_page_lists_each() -> None:
    listed = re.findall(r"\]\((\d_[a-z_]+\.py)\)", (NOTEBOOKS / "README.md").read_text())
    assert listed == [source.name for source in SOURCES]
    assert len(listed) == 5


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_links_of_a_notebook_lead_somewhere(source: Path) -> None:
    cells = jupytext.read(source).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert prose.startswith("# ")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
        assert (NOTEBOOKS / target).exists(), f"{source.name} links to {target}"


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_notebook_runs_without_data_and_without_internet(source: Path, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    environment = os.environ | {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1",
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    environment.pop("TASTEMAKER_DATA", None)
    script = str(NOTEBOOKS.parent / "make_notebooks.py")
    done = subprocess.run(
        [sys.executable, script, source.stem, "--out", str(tmp_path)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    executed = tmp_path / f"{source.stem}.ipynb"
    assert executed.stat().st_size < LARGEST
    assert (tmp_path / f"{source.stem}.html").exists()
    cells = [c for c in nbformat.read(executed, as_version=4).cells if c.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert max(len(cell.outputs) for cell in cells) <= MOST_OUTPUTS
    # A bar that is left in a stored notebook would look like work that never ended.
    assert "<progress" not in executed.read_text()
