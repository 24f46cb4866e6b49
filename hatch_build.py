"""Compiles `tastemaker/native/` when Tastemaker is built or installed, where there is a compiler.

Without one the package is whole all the same: the plain PyTorch form does the work, more slowly.

Two environment variables matter:

- CXX: the compiler, with its first arguments if it has any. (default: c++ or g++; on Windows none,
  since what such a compiler makes finds its libraries only where it is installed)
- WHEEL_PLATFORM: the platform of a wheel for release, such as `win_amd64`, which may be another
  than this machine's. Then the build fails where anything cannot be compiled.
"""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("src/tastemaker/native")
MATH = ["-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"]
OPTIONS = ["-std=c++17", "-O3", *MATH, "-shared", "-fPIC", "-pthread", "-Wno-psabi"]

X86_LEVELS = {
    "avx512": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    "avx2": ["-march=x86-64-v3"],
    "default": ["-march=x86-64-v2"],
}
OTHER_LEVELS: dict[str, list[str]] = {"default": []}
"""By the name that torch.backends.cpu.get_cpu_capability() gives: one file each, so that a wheel
made on one machine suits another."""


class CompileKernels(BuildHookInterface):
    """Makes native/tastemaker-LEVEL.so (.dll on Windows) for each level of a kind of processor."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles, and marks a wheel with code in it as one for its platform.

        Raises:
            RuntimeError: a wheel for release could not be compiled.
        """
        release = os.environ.get("WHEEL_PLATFORM")
        if sys.platform == "win32" and "CXX" not in os.environ:
            self.app.display_warning("CXX is not set: the plain forms will do the work")
            return
        target = release or re.sub("[-.]", "_", sysconfig.get_platform())
        suffix = ".dll" if target.startswith("win") else ".so"
        machine = target if release else platform.machine().lower()
        levels = X86_LEVELS if machine.endswith(("x86_64", "amd64")) else OTHER_LEVELS
        libraries = [Path(self.root) / SOURCES / f"tastemaker-{name}{suffix}" for name in levels]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            problems = [*pool.map(_compile, libraries, levels.values())]
        for problem in filter(None, problems):
            if release:
                raise RuntimeError(f"{release}: {problem}")
            self.app.display_warning(f"{problem}: the plain forms will do the work")
        if all(problems):
            return
        build_data["artifacts"] += [
            f"/{SOURCES.as_posix()}/{library.name}" for library in libraries
        ]
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{target}"


def _compile(library: Path, options: list[str]) -> str | None:
    """Returns None, or why the library could not be compiled; then there is none."""
    # Renamed when whole, since a running program may hold the one before open.
    beside = library.with_suffix(f".{os.getpid()}.tmp")
    files = [*map(str, sorted(library.parent.glob("*.cpp"))), "-o", str(beside)]
    reason = _run([*_compiler(), *OPTIONS, *options, *files])
    if reason is None:
        beside.replace(library)
        return None
    for path in (beside, library):
        path.unlink(missing_ok=True)
    return f"{library.name} could not be compiled ({reason})"


def _run(command: list[str]) -> str | None:
    """Runs a command of the compiler, and returns None or its first error."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"the C++ compiler {command[0]} cannot be started: {error.strerror}"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines() or ["no reason given"]
    return next((line for line in lines if "error" in line), lines[0])


def _compiler() -> list[str]:
    if given := os.environ.get("CXX"):
        return shlex.split(given)
    return [shutil.which("c++") or shutil.which("g++") or "c++"]
