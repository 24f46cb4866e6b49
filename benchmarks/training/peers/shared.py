"""What every contender has in common: the sizes, the command line, the clock and the report.

It runs in each contender's own environment, and so needs nothing but Python and PyTorch.
"""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

EMBEDDING_SIZE = 50
LAYERS = 2
HEADS = 1
LENGTH = 50
DROPOUT = 0.2
NEGATIVES = 1
BATCH_SIZE = 128
LEARNING_RATE = 1e-3
K = 10
SEED = 0


@dataclass(frozen=True)
class Task:
    """What is to be measured."""

    interactions: Path
    """Parquet: user_id, item_id, timestamp."""
    epochs: int
    evaluations: int
    threads: int


@dataclass(frozen=True)
class Measurement:
    """What one contender took, and of what size its work was."""

    epoch_s: list[float]
    evaluate_s: list[float]
    samples: int
    """Sequences of one epoch."""
    users: int
    """Evaluated."""
    items: int
    """Ranked for each of them."""
    hit_rate: float
    """At 10, after the epochs: a sign that it learns, nothing more."""


def report(name: str, package: str, measure: Callable[[Task], Measurement]) -> None:
    """Measures and writes one line of JSON to standard output; all that is said goes to stderr."""
    parser = argparse.ArgumentParser(description=f"measures SASRec of {name}")
    parser.add_argument("interactions", type=Path, help="Parquet: user_id, item_id, timestamp")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--evaluations", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    task = Task(**vars(parser.parse_args()))
    torch.set_num_threads(task.threads)
    with contextlib.redirect_stdout(sys.stderr):
        measurement = measure(task)
    print(json.dumps({"name": name, "version": version(package), **asdict(measurement)}))


def timed(call: Callable[[], Any], times: int) -> tuple[list[float], Any]:
    """Seconds of each of several calls, and the last one's result."""
    elapsed_s, result = [], None
    for _ in range(times):
        started_at = time.perf_counter()
        result = call()
        elapsed_s.append(time.perf_counter() - started_at)
    return elapsed_s, result


class EpochClock:
    """The hooks of a Lightning callback that time the epochs; each Lightning has its own base."""

    def __init__(self) -> None:
        self.epoch_s: list[float] = []
        self._started_at = 0.0

    def on_train_epoch_start(self, *_: Any) -> None:
        """Before the first batch is drawn."""
        self._started_at = time.perf_counter()

    def on_train_epoch_end(self, *_: Any) -> None:
        """After the last step."""
        self.epoch_s.append(time.perf_counter() - self._started_at)
