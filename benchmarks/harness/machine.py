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
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
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


def machine_name() -> str:
    """The name of this machine's files of results, such as "intel-xeon-2-cores"."""
    marks = r"\((r|tm)\)|processor|cpu|@.*|\b\d+-core\b"
    cpu = re.sub(marks, " ", _cpu().lower())
    return "-".join([*re.findall(r"[a-z0-9]+", cpu), str(os.cpu_count()), "cores"])


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
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
