"""Runs the suite again as other processors, numbers of threads and Hypothesis seeds would have it.

    python tests/hard.py [--only N] [PYTEST ARGUMENTS]

A processor is stood in for by what its libraries would choose: PyTorch's vector width, MKL's and
OpenBLAS' kernels, and the compiled code of Tastemaker or its plain forms. MKL with SSE 4.2 rounds
differently by where a matrix lies in memory, which is what it does on processors of other makers.
Each of the five rounds has settings that no other has, so that all are tried in five suites' time.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Round:
    """One run of the suite."""

    title: str
    environment: dict[str, str]
    seed: int
    """The Hypothesis seed."""
    compiled: bool = True
    """Whether Tastemaker's own compiled code is used; its plain forms are otherwise."""


ROUNDS = (
    Round(
        "as the processor is, one thread",
        {"OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "SkylakeX"},
        seed=1,
    ),
    Round(
        "AVX2, two threads",
        {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
         "OPENBLAS_CORETYPE": "Haswell", "OMP_NUM_THREADS": "2"},
        seed=2,
    ),
    Round(
        "SSE 4.2, no compiled code",
        {"ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
         "OPENBLAS_CORETYPE": "Nehalem", "OMP_NUM_THREADS": "1"},
        seed=3, compiled=False,
    ),
    Round(
        "plain forms with the widest vectors, two threads",
        {"OPENBLAS_CORETYPE": "Zen", "MKL_CBWR": "COMPATIBILITY", "OMP_NUM_THREADS": "2"},
        seed=4, compiled=False,
    ),
    Round(
        "AVX2 in PyTorch and compiled code, SSE 4.2 in products",
        {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
         "OPENBLAS_CORETYPE": "Sandybridge", "OMP_NUM_THREADS": "1"},
        seed=5,
    ),
)  # fmt: skip


def passes(number: int, settings: Round, arguments: list[str]) -> bool:
    """Runs the suite once and prints how it went."""
    shown = " ".join(f"{name}={value}" for name, value in settings.environment.items())
    print(f"\nround {number} of {len(ROUNDS)}: {settings.title}\n{shown}", flush=True)
    command = [
        sys.executable, "-m", "pytest", "-n", "auto", "--dist", "worksteal",
        "--hypothesis-profile=exploring",
        f"--hypothesis-seed={settings.seed}", *arguments,
    ]  # fmt: skip
    environment = os.environ | settings.environment
    if not settings.compiled:
        command.append("--plain-forms")
        environment.pop("TASTEMAKER_REQUIRE_KERNELS", None)
    started_at = time.monotonic()
    code = subprocess.run(command, env=environment, cwd=Path(__file__).parents[1]).returncode
    print(f"round {number}: exit {code} after {time.monotonic() - started_at:.0f} s", flush=True)
    return code == 0


def main() -> int:
    """Runs all rounds, or the one asked for; 1 if any fails."""
    parser = argparse.ArgumentParser(description="Run the suite in each of the rounds.")
    parser.add_argument("--only", type=int, choices=range(1, len(ROUNDS) + 1), metavar="N")
    options, arguments = parser.parse_known_args()
    chosen = [options.only] if options.only else range(1, len(ROUNDS) + 1)
    failed = [n for n in chosen if not passes(n, ROUNDS[n - 1], arguments)]
    print(f"\nfailed: rounds {failed}" if failed else "\nall rounds pass")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
