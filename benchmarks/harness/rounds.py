"""Taking turns: every contender of a task measures once before any of them measures again.

What else the machine does then falls on all of them alike, and the ratio is of the medians.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.environments import ContenderError, is_ready, prepare, versions
from harness.generated import generated
from harness.process import Process
from harness.results import Result, Row
from harness.task import Contender, Task

DEVICE = "cpu"
"""The only device on which contenders are compared."""

SETTLE_S = 0.3
"""Pause between two turns, until the threads of the contender before stop their busy waiting."""


@dataclass(frozen=True)
class Settings:
    """How the suite is run."""

    data: Path
    root: Path
    """Where environments, generated data and logs are kept."""
    threads: int
    repeats: int | None
    """None: as the task says."""
    quick: bool


ShowStatus = Callable[[str], None]


def measure(task: Task, settings: Settings, show_status: ShowStatus) -> Result:
    """A task's result; a contender that fails is a row with its reason."""
    contenders = task.contenders_of(quick=settings.quick)
    rows = [Row(c.name, note=c.note, aims=[asdict(aim) for aim in c.aims]) for c in contenders]
    turns = list(zip(contenders, rows, strict=True))
    with ExitStack() as running:
        repetitions: dict[str, Callable[[], dict[str, Any]]] = {}
        for contender, row in turns:
            with _recording_failure(row):
                show_status(f"{contender.name}: getting ready")
                repetitions[row.name] = _ready(contender, row, task, settings, running)
        for turn in range(settings.repeats or (2 if settings.quick else task.repeats)):
            for _, row in turns:
                if row.name not in repetitions or _is_done(row, task):
                    continue
                show_status(f"{row.name}: repetition {turn + 1}")
                time.sleep(SETTLE_S)
                with _recording_failure(row):
                    row.answers.append(repetitions[row.name]())
                if row.failed:
                    del repetitions[row.name]
    return Result.of(task, rows)


def _ready(
    contender: Contender, row: Row, task: Task, settings: Settings, running: ExitStack
) -> Callable[[], dict[str, Any]]:
    """A function that measures the contender once."""
    if settings.quick and not is_ready(contender.environment, settings.root):
        raise ContenderError("left out: a quick run makes no environments")
    python = prepare(contender.environment, settings.root)
    package = contender.package or contender.environment
    row.version = f"{package} {versions(python)[package]}"
    options = dict(contender.options)
    if settings.quick:
        options |= contender.quick or {}
    row.options = options
    order = {
        "measure": task.measure,
        "data": str(settings.data),
        "generated": "",
        "threads": settings.threads,
        "options": options,
    }
    if "rows" in options:
        made = generated(settings.root / "generated", options["rows"], options["layout"])
        order["generated"] = str(made)
    log = settings.root / "logs" / f"{task.name}-{_slug(contender.name)}.log"
    log.parent.mkdir(parents=True, exist_ok=True)

    def start() -> Process:
        return Process(python, contender.script, order, log)

    def once() -> dict[str, Any]:
        with start() as process:
            return process.run()

    return once if task.fresh else running.enter_context(start()).run


def _is_done(row: Row, task: Task) -> bool:
    spent_s = sum(answer["seconds"] for answer in row.answers)
    return len(row.answers) >= task.least and spent_s > task.allowance_s


@contextmanager
def _recording_failure(row: Row) -> Iterator[None]:
    try:
        yield
    except ContenderError as error:
        row.failed = str(error)


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")
