"""Compiles `tastemaker/native/` when Tastemaker is built or installed, where there is a compiler.

Without one the package is whole all the same: the plain PyTorch form does the work, more slowly.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("src/tastemaker/native")
MATH = ["-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"]
OPTIONS = ["-std=c++17", "-O3", *MATH, "-shared", "-fPIC", "-pthread"]
LEVELS = {
    "avx512": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    "avx2": ["-march=x86-64-v3"],
    "default": [],
}
"""By the name that torch.backends.cpu.get_cpu_capability() gives: one file each, so that a wheel
made on one machine suits another."""


class CompileKernels(BuildHookInterface):
    """Makes native/tastemaker-LEVEL.so for each level of this kind of processor."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles, and marks a wheel with code in it as one for this platform."""
        compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
        if compiler is None or sys.platform == "win32":
            self.app.display_warning("no C++ compiler: the plain forms will do the work")
            return
        is_x86 = platform.machine().lower() in ("x86_64", "amd64")
        for level in ("avx512", "avx2") if is_x86 else ("default",):
            self._compile(compiler, level)
        build_data["artifacts"].append(f"/{SOURCES.as_posix()}/*.so")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{re.sub('[-.]', '_', sysconfig.get_platform())}"

    def _compile(self, compiler: str, level: str) -> None:
        folder = Path(self.root) / SOURCES
        library = folder / f"tastemaker-{level}.so"
        # Renamed when whole, since a running program may hold the one before open.
        beside = library.with_suffix(f".{os.getpid()}.tmp")
        files = [*map(str, sorted(folder.glob("*.cpp"))), "-o", str(beside)]
        command = [compiler, *OPTIONS, *LEVELS[level], *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            beside.replace(library)
            return
        library.unlink(missing_ok=True)
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        self.app.display_warning(
            f"{library.name} could not be compiled ({reason}): the plain forms will do the work"
        )
