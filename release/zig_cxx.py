"""Compiles a C++ library for another platform: python release/zig_cxx.py TARGET ARGUMENTS…

Zig is Clang with the system libraries of many platforms. It names the kinds of processors in
another way than Clang and GCC do.
"""

import subprocess
import sys
import tempfile
from pathlib import Path


def main(target: str, *arguments: str) -> int:
    """Compiles and links, and returns the exit code."""
    *options, _, library = arguments
    assert arguments[-2] == "-o", arguments
    sources = [each for each in options if each.endswith(".cpp")]
    options = [_translated(each) for each in options if each not in (*sources, "-shared")]
    zig = [sys.executable, "-m", "ziglang", "c++", "-target", target]
    with tempfile.TemporaryDirectory() as folder:
        objects = {each: str(Path(folder, Path(each).stem + ".o")) for each in sources}
        # In two steps, since Zig compiles its C++ library, which takes minutes, for each processor
        # that it links for.
        commands = [
            *([*zig, *options, "-c", source, "-o", to] for source, to in objects.items()),
            [*zig, "-shared", "-s", *objects.values(), "-o", library],
        ]
        for command in commands:
            if code := subprocess.run(command, check=False).returncode:
                return code
    return 0


def _translated(option: str) -> str:
    if not option.startswith("-march="):
        return option
    return "-mcpu=" + option.removeprefix("-march=").replace("-", "_")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
