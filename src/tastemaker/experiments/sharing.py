"""Sharing the models of a comparison among processes: each model is trained by one at a time."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from tastemaker.errors import ArtifactError

LOCKS = "locks"
"""Folder within the folder of the comparison, with a lock file for each model, which is held by the
worker that trains the model."""

WAITING = "waiting for another worker"
"""The stage of a model that another worker is training."""

POLL_S = 1.0
"""Seconds between two attempts to take a model that another worker holds."""


def in_turn(
    folder: Path, labels: Sequence[str], on_stage: Callable[[str, str], None]
) -> Iterator[str]:
    """Yields the label of each model while this worker holds its lock: first those that are free.

    The lock is held until the next label is asked for. Models that other workers hold are tried
    again every POLL_S seconds. If a worker is killed, the operating system releases its lock.

    Args:
        folder: of the comparison, on a disk that all workers share.
        labels: of the models.
        on_stage: receives each remaining label and WAITING, once, if other workers hold them all.
    """
    (folder / LOCKS).mkdir(exist_ok=True)
    remaining, awaited = list(labels), set[str]()
    while remaining:
        held = []
        for label in remaining:
            try:
                with FileLock(folder / LOCKS / f"{label}.lock").acquire(timeout=0):
                    yield label
            except Timeout:
                held.append(label)
        if held == remaining:
            for label in held:
                if label not in awaited:
                    on_stage(label, WAITING)
            awaited.update(held)
            time.sleep(POLL_S)
        remaining = held


def refuse_workers(folder: Path) -> None:
    """Raises ArtifactError if processes share the comparison in the folder at this moment."""
    for path in (folder / LOCKS).glob("*.lock"):
        try:
            with FileLock(path).acquire(timeout=0):
                pass
        except Timeout:
            raise ArtifactError(
                f"{folder}: other processes are training models of this comparison; set "
                "share=True to train the others, or choose another path=…"
            ) from None
