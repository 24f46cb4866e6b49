"""Builds the source archive and, from it, a wheel for each platform; checks all of them.

    python release/wheels.py [--only PLATFORM] [--out dist]

The compiled code is loaded by ctypes, so one wheel of a platform serves every version of Python.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent.resolve()

TARGETS = {
    "manylinux_2_28_x86_64": "x86_64-linux-gnu.2.28",
    "manylinux_2_28_aarch64": "aarch64-linux-gnu.2.28",
    "macosx_11_0_arm64": "aarch64-macos.11.0",
    "macosx_11_0_x86_64": "x86_64-macos.11.0",
    "win_amd64": "x86_64-windows-gnu",
}
"""The compiler's name of each platform: with the lowest glibc, or the lowest macOS."""

NEWEST_LINUX = "manylinux_2_28"
"""How Linux wheels are named: they must need no newer glibc."""

LARGEST_WHEEL_BYTES = 20 << 20


def run(*command: object, **more: str) -> None:
    """Runs a Python module with more environment variables, and ends with it if it fails."""
    print("+", *command, flush=True)
    # auditwheel calls a program that is beside Python.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path} | more
    subprocess.run([sys.executable, "-m", *map(str, command)], check=True, env=environment)


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpacks the source archive, and returns the folder of the project."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def build_wheel(source: Path, platform: str, out: Path) -> Path:
    """Compiles for the platform, and returns the wheel."""
    compiler = [sys.executable, str(HERE / "zig_cxx.py"), TARGETS[platform]]
    # A Linux wheel gets its name below, when it is known which systems it suits.
    built_as = platform.replace(NEWEST_LINUX, "linux")
    arguments = ("build", "--wheel", "--no-isolation", "--outdir", out, source)
    run(*arguments, CXX=shlex.join(compiler), WHEEL_PLATFORM=built_as)
    (wheel,) = out.glob(f"*-{built_as}.whl")
    if built_as == platform:
        return wheel
    with tempfile.TemporaryDirectory() as folder:
        # Which instructions the processor has is checked when a library is loaded. For --plat,
        # auditwheel accepts only this machine's architecture; with auto it detects another one.
        finding = ("--only-plat", "--plat", "auto", "--disable-isa-ext-check")
        run("auditwheel", "repair", *finding, "--wheel-dir", folder, wheel)
        (checked,) = Path(folder).glob("*.whl")
        assert glibc(checked.name) <= glibc(NEWEST_LINUX), f"{checked.name} needs a newer glibc"
        wheel.unlink()
        run("wheel", "tags", "--remove", "--platform-tag", platform, checked)
        (named,) = Path(folder).glob("*.whl")
        return Path(shutil.copy(named, out))


def glibc(name: str) -> int:
    """The minor version of glibc that a manylinux wheel needs."""
    found = re.search(r"manylinux_2_(\d+)", name)
    assert found, f"{name} is not named after a version of glibc"
    return int(found[1])


def main() -> None:
    """Builds and checks what is asked for."""
    parser = argparse.ArgumentParser(description="Build the source archive and the wheels.")
    parser.add_argument("--only", choices=TARGETS, help="build the wheel of this platform alone")
    parser.add_argument("--out", type=Path, default=Path("dist"))
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    for old in [*options.out.glob("*.whl"), *options.out.glob("*.tar.gz")]:
        old.unlink()
    run("build", "--sdist", "--no-isolation", "--outdir", options.out, HERE.parent)
    (archive,) = options.out.glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as folder:
        for platform in [options.only] if options.only else TARGETS:
            source = unpacked(archive, Path(folder) / platform)
            wheel = build_wheel(source, platform, options.out)
            assert wheel.stat().st_size < LARGEST_WHEEL_BYTES, f"{wheel} is too large"
    everything = [*options.out.glob("*.whl"), archive]
    run("twine", "check", "--strict", *everything)
    # Nobody imports libraries or migrations by their names (W004).
    run("check_wheel_contents", "--ignore", "W004", *options.out.glob("*.whl"))


if __name__ == "__main__":
    main()
