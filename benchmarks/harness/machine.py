"""The machine and the libraries of a run."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.environments import PEERS, is_ready, prepare, versions
from harness.process import BENCHMARKS
from harness.rounds import DEVICE, Settings
from harness.task import OURS


def conditions(settings: Settings) -> dict[str, Any]:
    """Date, commit, machine, and every version of every library in every environment."""
    names = [name for name in (OURS, *PEERS) if is_ready(name, settings.root)]
    return {
        "measured_at": now(),
        "commit": commit(),
        "device": DEVICE,
        "threads": settings.threads,
        "quick": settings.quick,
        "cores": os.cpu_count(),
        "cpu": _cpu(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: versions(prepare(name, settings.root)) for name in names},
    }


def now() -> str:
    """The date and time, in the form of ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine_name() -> str:
    """The name of this machine's files of results, such as "amd-epyc-26-2-with-2-cores".

    The numbers are family and model of the processor, since several have the same name.
    """
    return name_of(_cpu(), _of_cpu("cpu family"), _of_cpu("model"), os.cpu_count() or 1)


def name_of(cpu: str, family: str, model: str, cores: int) -> str:
    """The name of a machine's files."""
    marks = r"\((r|tm)\)|processor|cpu|@.*"
    words = re.findall(r"[a-z0-9]+", re.sub(marks, " ", cpu.lower()))
    return "-".join([*words, *filter(None, (family, model)), "with", str(cores), "cores"])


def commit() -> str:
    """The short name of the commit, with a plus where files differ from it; else "unknown"."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        return f"{name}+" if _git("status", "--porcelain", "--", "../src") else name
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=BENCHMARKS, capture_output=True, text=True, check=True
    )  # fmt: skip
    return done.stdout.strip()


def _cpu() -> str:
    """The model that Linux names, else what Python knows."""
    return _of_cpu("model name") or platform.processor() or platform.machine()


def _of_cpu(key: str) -> str:
    """What Linux says of the first processor; empty elsewhere."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    found = [line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == key]
    return found[0] if found else ""
