"""What Tastemaker finds on this machine: processor, GPU, threads, memory, folders and ports."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tastemaker.data.download import cache_folder, data_folders
from tastemaker.memory import available_bytes
from tastemaker.native.library import level, library_path, why_not_compiled


@dataclass(frozen=True)
class Machine:
    """What `look` has found."""

    level: str
    """Vector instructions of the processor that PyTorch uses: avx2, avx512, or default."""
    library: Path | None
    """The file with the compiled code; None if the plain form does the work."""
    why_not_compiled: str | None
    """Why there is no compiled code and what to do."""
    gpus: tuple[str, ...]
    blas: dict[str, str]
    """The library that multiplies matrices, by the package that uses it."""
    n_threads: int
    """Number of threads that PyTorch uses."""
    n_cores: int
    """Number of cores that this process may use."""
    available_bytes: int
    cache_folder: Path
    data_folder: Path | None
    """The folder that TASTEMAKER_DATA names."""


def look() -> Machine:
    """Returns what is found now."""
    return Machine(
        level=level(),
        library=library_path(),
        why_not_compiled=why_not_compiled(),
        gpus=_gpus(),
        blas=_blas(),
        n_threads=torch.get_num_threads(),
        n_cores=_n_cores(),
        available_bytes=available_bytes(),
        cache_folder=cache_folder(),
        data_folder=next(iter(data_folders()[:-1]), None),  # the last one is the cache
    )


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Returns whether a service could listen on the port."""
    try:
        socket.create_server((host, port)).close()
    except OSError:
        return False
    return True


def _gpus() -> tuple[str, ...]:
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return (*names, *(["Apple GPU (mps)"] if torch.backends.mps.is_available() else []))


def _blas() -> dict[str, str]:
    built: Any = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    is_mkl = torch.backends.mkl.is_available()
    return {
        "numpy": f"{built['name']} {built['version']}",
        "torch": "MKL" if is_mkl else "not MKL; see torch.__config__.show()",
    }


def _n_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
