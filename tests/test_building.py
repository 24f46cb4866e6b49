"""Wheels: what is compiled into them, and when a build fails."""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

CODE = 'extern "C" int answer() { return 42; }\n'

COPIES_ARGUMENTS = "import sys; open(sys.argv[-1], 'w').write(' '.join(sys.argv))"
"""A compiler whose library is a list of its arguments."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Tastemaker with a single function to compile."""
    native = tmp_path / "src" / "tastemaker" / "native"
    native.mkdir(parents=True)
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, tmp_path)
    (native.parent / "__init__.py").write_text("")
    (native / "answer.cpp").write_text(CODE)
    return tmp_path


def build(project: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel"],
        cwd=project, env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip


def libraries(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith((".so", ".dll"))]
        return {name.rpartition("/")[2]: archive.read(name) for name in names}


@pytest.mark.skipif(not shutil.which("c++"), reason="no compiler")
def test_a_wheel_has_a_library_for_each_level_of_the_processor(project: Path) -> None:
    done = build(project)
    assert done.returncode == 0, done.stderr
    (wheel,) = (project / "dist").glob("*.whl")
    assert "-py3-none-any" not in wheel.name
    levels = ["avx2", "avx512", "default"] if platform.machine() == "x86_64" else ["default"]
    assert sorted(libraries(wheel)) == [f"tastemaker-{level}.so" for level in levels]


def test_without_a_compiler_a_wheel_is_for_every_platform(project: Path) -> None:
    stale = project / "src" / "tastemaker" / "native" / "tastemaker-default.so"
    stale.write_text("of an earlier build")
    done = build(project, CXX="/nowhere/c++")
    assert done.returncode == 0, done.stderr
    assert "/nowhere/c++ cannot be started" in done.stderr + done.stdout
    (wheel,) = (project / "dist").glob("*-py3-none-any.whl")
    assert libraries(wheel) == {}


@pytest.mark.parametrize("compiler", ["/nowhere/c++", "c++"])
def test_a_release_that_cannot_be_compiled_fails(compiler: str, project: Path) -> None:
    (project / "src" / "tastemaker" / "native" / "answer.cpp").write_text("no code")
    done = build(project, CXX=compiler, WHEEL_PLATFORM="linux_x86_64")
    assert done.returncode != 0
    assert "linux_x86_64: tastemaker-avx512.so could not be compiled" in done.stderr
    assert not list(project.rglob("*.whl"))


@pytest.mark.parametrize(
    ("wheel_platform", "expected"),
    [
        ("win_amd64", ["tastemaker-avx2.dll", "tastemaker-avx512.dll", "tastemaker-default.dll"]),
        ("macosx_11_0_arm64", ["tastemaker-default.so"]),
    ],
)
def test_a_release_is_compiled_for_its_platform_and_not_for_this_machine(
    wheel_platform: str, expected: list[str], project: Path
) -> None:
    compiler = shlex.join([sys.executable, "-c", COPIES_ARGUMENTS, "for-elsewhere"])
    done = build(project, CXX=compiler, WHEEL_PLATFORM=wheel_platform)
    assert done.returncode == 0, done.stderr
    (wheel,) = (project / "dist").glob(f"*-py3-none-{wheel_platform}.whl")
    found = libraries(wheel)
    assert sorted(found) == expected
    for name, arguments in found.items():
        assert b"for-elsewhere" in arguments
        assert (b"-march=x86-64-v3" in arguments) == ("avx2" in name)
