"""The protocol of a contender's script: it gets ready once, and then measures on each command.

It runs in each contender's own environment, and so imports only the standard library at first.
The harness starts the script in an empty folder with the order as its one argument. The script
loads its data, warms up and writes one line; then it answers each line that it reads with one
repetition.
"""

import json
import logging
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

MIN_TURN_S = 1.0

Answer = dict[str, Any]
"""seconds and work, and further figures to store."""

Repetition = Callable[[], Answer]


@dataclass(frozen=True)
class Order:
    """The instructions to a contender."""

    measure: str
    """Name of one of the measurements of the script."""
    data: str
    """The folder of the data sets."""
    generated: str
    """The folder of the generated data set that its options describe, if they do."""
    threads: int
    options: dict[str, Any]

    @property
    def folder(self) -> Path:
        """The folder of the data sets."""
        return Path(self.data)


def serve(**measures: Callable[[Order], Repetition]) -> None:
    """Gets ready for the measurement of the order, and repeats it on each command."""
    answers = _redirect_prints()
    order = Order(**json.loads(sys.argv[1]))
    repetition = measures[order.measure](order)
    _write(answers, {"ready": True})
    for _ in sys.stdin:
        answer = {"peak_mib": 0.0} | repetition()
        answer["peak_mib"] = answer["peak_mib"] or peak_mib(resource.RUSAGE_SELF)
        _write(answers, answer)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of a call, and its result."""
    started_at = time.perf_counter()
    result = call()
    return time.perf_counter() - started_at, result


def timed_for_a_turn(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of a call, and its result: the mean of as many calls as a second takes.

    During the turns of the others, caches are overwritten and a virtual machine gives memory back;
    a much shorter measurement would consist mostly of the recovery from that.
    """
    started_at, n_calls, elapsed_s = time.perf_counter(), 0, 0.0
    while elapsed_s < MIN_TURN_S:
        result = call()
        n_calls += 1
        elapsed_s = time.perf_counter() - started_at
    return elapsed_s / n_calls, result


def peak_mib(who: int) -> float:
    """The most memory that a process, or any of its children, had in use (`resource.RUSAGE_…`)."""
    kib = resource.getrusage(who).ru_maxrss
    return kib / 2**10 if sys.platform != "darwin" else kib / 2**20


QUIET_TRAINER: dict[str, Any] = {
    "accelerator": "cpu",
    "max_epochs": 1,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "logger": False,
}
"""Options of Lightning's trainer for one epoch without output."""


def prepare_quietly(order: Order) -> None:
    """Sets the threads of PyTorch, and silences warnings and Lightning's messages."""
    import torch

    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(order.threads)


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


def _redirect_prints() -> TextIO:
    """The real standard output; whatever else is printed there goes to standard error instead."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _write(answers: TextIO, answer: Answer) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
