"""Start-up times of Tastemaker alone."""

from harness.task import Aim, Contender, Task


def _startup_task(name: str, title: str, measure: str, at_most_s: float) -> Task:
    contender = Contender("Tastemaker", "startup/starting.py", aims=(Aim("seconds", at_most_s),))
    return Task(
        name=name,
        title=title,
        measure=measure,
        unit="once",
        show="seconds",
        contenders=(contender,),
    )


TASKS = (
    _startup_task("start-help", "`tastemaker --help`", "showing_help", 0.3),
    _startup_task("start-import", "`import tastemaker`", "importing", 0.2),
    _startup_task(
        "start-training",
        "`tastemaker train` on MovieLens 100K until the first batch was trained",
        "first_batch",
        2.5,
    ),
    _startup_task(
        "start-service",
        "`tastemaker serve` on a run with 27,000 items until it is ready",
        "service",
        2,
    ),
)
