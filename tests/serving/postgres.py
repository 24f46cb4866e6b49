"""A PostgreSQL that is thrown away: its own cluster in its own folder, reached by a socket."""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from .server import parents

OF_DEBIAN = "/usr/lib/postgresql/*/bin"

SETTINGS = (
    "listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=200",
    "shared_buffers=32MB", "autovacuum=off",
)  # fmt: skip
"""It need not outlive the machine, only its own end."""


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl, the newest; None where PostgreSQL is not installed."""
    found = shutil.which("initdb")
    debian = sorted(Path("/").glob(OF_DEBIAN[1:] + "/initdb"), key=lambda path: len(str(path)))
    return Path(found).parent if found else debian[-1].parent if debian else None


class Cluster:
    """A server with as many databases as one likes."""

    def __init__(self) -> None:
        # A socket's path must be short, and PostgreSQL's own user must get there.
        self.folder = Path(tempfile.mkdtemp(prefix="tm-pg-", dir="/tmp"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._numbers = itertools.count()
        self._call("initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8")
        self.start()

    def start(self) -> None:
        settings = " ".join(f"-c {setting}" for setting in SETTINGS)
        log = self.folder / "log"
        self._call("pg_ctl", "start", "-w", "-l", log, "-o", f"-k {self.folder} {settings}")

    def stop(self) -> None:
        """Kills it, like a machine that died."""
        self._call("pg_ctl", "stop", "-w", "-m", "immediate")

    def freeze(self) -> None:
        """Stops it, like a dead network: it takes what is sent and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        server = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        for pid, parent in parents().items():
            if server in (pid, parent):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def remove(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self.thaw()
            self.stop()
        shutil.rmtree(self.folder)

    def new_database(self) -> str:
        """The URL of an empty one."""
        name = f"test{next(self._numbers)}"
        with psycopg.connect(
            host=str(self.folder), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def _call(self, name: str, *arguments: object) -> None:
        folder = binaries()
        assert folder is not None
        # Its output goes to a file: the server inherits it, and would keep a pipe open for ever.
        with (self.folder / f"{name}.out").open("a+b") as out:
            done = subprocess.run(
                [folder / name, "-D", self.folder / "data", *map(str, arguments)],
                cwd=self.folder, stdout=out, stderr=out, check=False, **self._as,
            )  # fmt: skip
            if done.returncode:
                out.seek(0)
                raise AssertionError(out.read().decode())
