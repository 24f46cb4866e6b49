"""What an image's Dockerfile says, done without a container engine: in a folder as the root.

The folder has this machine's programs and the installed libraries, read-only, in place of those of
the base image. Commands run in it with mounts and processes of their own, as in a container.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from ..serving.server import parents

REPOSITORY = Path(__file__).parents[2]

LIBRARIES = Path(sysconfig.get_path("purelib"))
"""The installed packages of this Python."""

OF_THE_MACHINE = ("bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr")
"""Folders of this machine that stand for those of the base image."""

Mounts = Mapping[str, tuple[Path, str]]
"""Path in the container to a folder of this machine and "ro" or "rw"."""


class Instruction(NamedTuple):
    """One instruction of a Dockerfile, such as USER and its argument."""

    name: str
    value: str

    @property
    def command(self) -> list[str]:
        """The words of a command in exec form.

        Raises:
            ValueError: it is a line for a shell.
        """
        return json.loads(self.value[self.value.index("[") :])


def instructions(dockerfile: Path) -> list[Instruction]:
    """The instructions of a Dockerfile, in order."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = (line.partition(" ") for line in joined.splitlines() if line)
    return [Instruction(name, value.strip()) for name, _, value in found]


def last(found: Sequence[Instruction], name: str) -> Instruction:
    """The last instruction with the name, which is the one that counts."""
    return [each for each in found if each.name == name][-1]


def is_in_context(path: str) -> bool:
    """Whether .dockerignore lets a path at the top of the repository into the image's context."""
    included = True
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#") and fnmatch(path, line.removeprefix("!")):
            included = line.startswith("!")
    return included


class Image:
    """A file system made by the instructions of a Dockerfile.

    Not done are downloads: the compiler and PyTorch are those of this machine, and so are all
    libraries, which pip checks against constraints.txt. Nothing is compiled, for speed.
    """

    def __init__(self, root: Path, dockerfile: Path) -> None:
        self.root = root
        self.environment: dict[str, str] = {"PATH": "/image/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.found = instructions(dockerfile)
        self._mounts: dict[str, tuple[Path, str]] = {}
        self._prepare()
        self._make()

    def _prepare(self) -> None:
        """Makes what the base image has: programs, /etc and Python."""
        self.root.chmod(0o755)
        for name in OF_THE_MACHINE:
            of_machine = Path("/", name)
            if of_machine.is_symlink():
                (self.root / name).symlink_to(of_machine.readlink())
            elif of_machine.exists():
                self._mounts[f"/{name}"] = (of_machine, "ro")
        shutil.copytree("/etc", self.root / "etc", symlinks=True, ignore=_unreadable)
        for folder in (Path(sys.base_prefix), LIBRARIES):
            self._mounts[str(folder)] = (folder, "ro")
        # All but Tastemaker, which is installed into the image.
        (self.root / "libraries").mkdir()
        for path in LIBRARIES.iterdir():
            if "tastemaker" not in path.name and path.suffix != ".pth":
                (self.root / "libraries" / path.name).symlink_to(path)
        self._mounts["/dev"] = (Path("/dev"), "rw")
        python = self.root / "image" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.symlink_to(Path(sys.base_prefix, "bin", "python3"))
        (self.root / "tmp").mkdir()

    def _make(self) -> None:
        """Executes the instructions of all stages, which share one file system."""
        folder = "/"
        for name, value in self.found:
            if name == "WORKDIR":
                folder = value
                (self.root / folder[1:]).mkdir(parents=True, exist_ok=True)
            elif name == "ENV":
                for word in shlex.split(value):
                    variable, _, text = word.partition("=")
                    self.environment[variable] = text.replace("$PATH", self.environment["PATH"])
            elif name == "COPY" and not value.startswith("--from"):
                *sources, target = value.split()
                for source in sources:
                    self._copy(source, self.root / folder[1:] / target)
            elif name == "RUN" and not re.search(r"apt-get|TORCH_INDEX", value):
                self._run_as_root(value, folder)

    def _copy(self, source: str, target: Path) -> None:
        if (REPOSITORY / source).is_dir():
            ignored = shutil.ignore_patterns("*.so", "*.dll", "__pycache__")
            shutil.copytree(REPOSITORY / source, target, ignore=ignored)
        else:
            shutil.copy(REPOSITORY / source, target)

    def _run_as_root(self, line: str, folder: str) -> None:
        offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "CXX": "/no/compiler"}
        in_shell = ["sh", "-ec", f"cd {folder}; {line}"]
        command = self.command(in_shell, user=None, environment=offline, is_read_only=False)
        subprocess.run(command, check=True, capture_output=True, text=True)
        packages = self.root / "opt/tastemaker/lib" / LIBRARIES.parent.name / "site-packages"
        if packages.exists():
            (packages / "libraries.pth").write_text("/libraries")
            for own in packages.glob("setuptools*"):  # older than the one that PyTorch needs
                shutil.rmtree(own)

    def command(
        self,
        arguments: Sequence[str],
        *,
        user: str | None,
        environment: Mapping[str, str] | None = None,
        mounts: Mounts | None = None,
        is_read_only: bool = True,
    ) -> list[str]:
        """The command that runs another in the image.

        Args:
            arguments: of the command.
            user: number of the user and of the group, with a colon between; None: root.
            environment: variables besides those of the image.
            mounts: more of this machine's folders.
            is_read_only: whether the root is mounted read-only, with a new /tmp.
        """
        lines = ["mount --make-rprivate /", f"mount --bind {self.root} {self.root}"]
        if is_read_only:  # first, since a folder of this machine may lie in /tmp
            lines += [f"mount -t tmpfs -o mode=1777 tmpfs {self.root}/tmp"]
        for inside, (folder, how) in {**self._mounts, **(mounts or {})}.items():
            target = self.root / inside[1:]
            lines += [f"mkdir -p {target}", f"mount --rbind {folder} {target}"]
            lines += [f"mount -o remount,bind,{how} {target}"] if how == "ro" else []
        lines += [f"mkdir -p {self.root}/proc", f"mount -t proc proc {self.root}/proc"]
        if is_read_only:
            lines += [f"mount -o remount,bind,ro {self.root}"]
        variables = {**self.environment, **(environment or {})}
        folder = last(self.found, "WORKDIR").value if user else "/"
        words = ["env", "-i", f"--chdir={folder}"]
        words += [f"{name}={value}" for name, value in variables.items()]
        if user is not None:
            uid, gid = user.split(":")
            identity = [f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs"]
            words += ["setpriv", *identity, "--bounding-set=-all"]
        lines.append(f"exec chroot {self.root} {shlex.join([*words, *arguments])}")
        return ["unshare", "--mount", "--pid", "--fork", "sh", "-ec", "\n".join(lines)]


def inside(process: subprocess.Popen, arguments: Sequence[str]) -> list[str]:
    """The command that runs another in the container of a process, as its user."""
    pid = first_process(process)
    variables = Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")
    status = Path(f"/proc/{pid}/status").read_text()
    uid, gid = (re.search(rf"^{name}:\s+(\d+)", status, re.M)[1] for name in ("Uid", "Gid"))
    as_user = [f"--setuid={uid}", f"--setgid={gid}", "--root", "--mount", "--pid"]
    return ["nsenter", f"--target={pid}", *as_user, "env", "-i", *variables, *arguments]


def first_process(process: subprocess.Popen) -> int:
    """The process of the container that has the number 1 inside it."""
    (pid,) = [pid for pid, parent in parents().items() if parent == process.pid]
    return pid


def stop(process: subprocess.Popen) -> int:
    """Sends SIGTERM as a container engine does, and returns the exit code."""
    os.kill(first_process(process), signal.SIGTERM)
    return process.wait(30)


def _unreadable(folder: str, names: list[str]) -> list[str]:
    """The names in a folder of /etc that cannot be copied."""
    paths = (Path(folder, name) for name in names)
    return [path.name for path in paths if not (path.is_symlink() or os.access(path, os.R_OK))]
