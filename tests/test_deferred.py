"""Packages that Tastemaker imports only when it needs them stay whole for everyone else."""

import subprocess
import sys
from pathlib import Path

from tastemaker.deferred import DeferredModule

SCRIPT = """
import tastemaker as tm
tm.load  # imports what reads databases
import sqlalchemy.exc
import sqlalchemy
try:
    sqlalchemy.create_engine("sqlite:///nowhere/missing.db").connect()
except sqlalchemy.exc.OperationalError:
    print("caught")
"""

WITHOUT_FIGURES = """
import sys
import tastemaker as tm
from tastemaker.cli.main import app

app(["train", "synthetic", "--model", "ease", "--out", sys.argv[1]], standalone_mode=False)
import tastemaker.asgi
print("loaded:", [name for name in ("matplotlib", "tensorboard", "ray") if name in sys.modules])
"""


def test_neither_a_service_nor_a_model_without_epochs_loads_what_draws_or_logs(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", WITHOUT_FIGURES, tmp_path / "run"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "loaded: []" in done.stdout, done.stderr


def test_a_submodule_that_a_program_imports_first_is_the_one_of_the_package() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("caught\n", "")


def test_a_deferred_module_is_imported_when_it_is_used() -> None:
    assert DeferredModule("math").sqrt(9) == 3
