"""Generated data, made when a task first needs it and kept."""

import shutil
import subprocess
import sys
from pathlib import Path

from harness.environments import ContenderError
from harness.process import BENCHMARKS


def generated(root: Path, rows: int, layout: str) -> Path:
    """The folder of a generated data set; whole, or not there.

    Raises:
        ContenderError: it could not be made.
    """
    folder = root / f"{rows}-{layout}"
    if folder.exists():
        return folder
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = [
        sys.executable, str(BENCHMARKS / "data" / "generate.py"), str(unfinished),
        "--rows", str(rows), "--layout", layout,
    ]  # fmt: skip
    # In a process of its own, so that its memory is free again when measuring begins.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"signal {-done.returncode}"])[-1]
        raise ContenderError(f"failed: its data could not be generated: {reason}")
    unfinished.rename(folder)
    return folder
