"""Packages that Tastemaker imports only when it needs them stay whole for everyone else."""

import subprocess
import sys

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


def test_a_submodule_that_a_program_imports_first_is_the_one_of_the_package() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("caught\n", "")


def test_a_deferred_module_is_imported_when_it_is_used() -> None:
    assert DeferredModule("math").sqrt(9) == 3
