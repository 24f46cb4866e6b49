"""What every contender's script begins with: it is ready once, and then measures when it is told.

It runs in each contender's own environment, and so needs nothing but Python. The harness starts
the script in an empty folder with the order as its one argument. The script loads its data, warms
up and writes one line; from then on each line that it reads is answered by one repetition.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

A_TURN_S = 1.0

Answer = dict[str, Any]
"""seconds and work, and whatever else is worth keeping."""

Repetition = Callable[[], Answer]


@dataclass(frozen=True)
class Order:
    """What a contender is told."""

    measure: str
    """Which of the things that the script can do."""
    data: str
    """The folder of the data sets."""
    generated: str
    """The folder of the generated data set that its options describe, if they do."""
    threads: int
    device: Literal["cpu", "cuda"]
    options: dict[str, Any]

    @property
    def folder(self) -> Path:
        """The folder of the data sets."""
        return Path(self.data)


def serve(**measures: Callable[[Order], Repetition]) -> None:
    """Gets ready for what the order asks for, and measures it as often as it is told to."""
    answers = _answers_only()
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

    While others had their turns, caches went cold and a virtual machine gave memory back; a call
    that is much shorter than that takes to mend would be told by it alone.
    """
    started_at, n_calls, elapsed_s = time.perf_counter(), 0, 0.0
    while elapsed_s < A_TURN_S:
        result = call()
        n_calls += 1
        elapsed_s = time.perf_counter() - started_at
    return elapsed_s / n_calls, result


def peak_mib(who: int) -> float:
    """The most memory that a process, or any of its children, had in use (`resource.RUSAGE_…`)."""
    kib = resource.getrusage(who).ru_maxrss
    return kib / 2**10 if sys.platform != "darwin" else kib / 2**20


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


def _answers_only() -> TextIO:
    """The real standard output; whatever else is printed there goes to standard error instead."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _write(answers: TextIO, answer: Answer) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
