"""Executes the notebooks of docs/notebooks, and writes them as .ipynb and .html with their output.

    make notebooks                                          # all of them, to build/notebooks
    python docs/make_notebooks.py tutorial --out FOLDER     # by name

The sources are Python files, so that they can be read, compared and edited as such; Jupytext turns
them into notebooks. Each runs in an empty folder, on one core, two at a time.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbconvert import HTMLExporter

HERE = Path(__file__).parent
SOURCES = HERE / "notebooks"
BUILD = HERE.parent / "build" / "notebooks"

CELL_TIMEOUT_S = 300

AT_ONCE = 2


def names() -> list[str]:
    """Returns the names of the notebooks, in the order of reading."""
    return sorted(path.stem for path in SOURCES.glob("*.py"))


def execute(name: str, out: Path) -> float:
    """Executes a notebook, and writes `name.ipynb` and `name.html`.

    Args:
        name: one of `names()`.
        out: the folder to write to; it exists.

    Returns:
        The duration in seconds.

    Raises:
        CellExecutionError: a cell failed; the notebook as far as it came is written.
        CellTimeoutError: a cell took longer than CELL_TIMEOUT_S.
    """
    started_at = time.monotonic()
    notebook = jupytext.read(SOURCES / f"{name}.py")
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT_S,
            kernel_name="python3",
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute(env=os.environ | {"OMP_NUM_THREADS": "1"})
        finally:
            nbformat.write(notebook, out / f"{name}.ipynb")
    page, _ = HTMLExporter().from_notebook_node(notebook)
    (out / f"{name}.html").write_text(page, encoding="utf-8")
    return time.monotonic() - started_at


def main(arguments: Sequence[str]) -> int:
    """Executes notebooks; returns 1 if one of them failed."""
    parser = argparse.ArgumentParser(description="Executes the notebooks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names())}")
    parser.add_argument("--out", type=Path, default=BUILD, help="folder to write to")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(names())
    if unknown:
        parser.error(f"there is no notebook {', '.join(sorted(unknown))}")
    options.out.mkdir(parents=True, exist_ok=True)
    failed = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        started = {
            name: pool.submit(execute, name, options.out) for name in options.names or names()
        }
        for name, execution in started.items():
            try:
                sys.stdout.write(f"{name}: {execution.result():.1f} s\n")
            except (CellExecutionError, CellTimeoutError) as error:
                failed += 1
                sys.stdout.write(f"{name} failed\n{error}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
