"""From a file to an encoded, split data set, and an epoch of NCF on it, through the public API.

A process measures once, as the memory of a second time would not be that of the first.
"""

import time
from pathlib import Path

import tastemaker as tm
from harness.contender import Answer, Order, Repetition, serve, timed


class PaceKnownError(Exception):
    """Ends a training whose speed is known."""


class Pace:
    """The speed of an epoch, measured from the progress that a training reports."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._marks: list[tuple[float, int]] = []
        self._batches = 0

    def __call__(self, progress: tm.Progress) -> None:
        """Records the progress, and ends the training after the time limit."""
        if progress.what != "training":
            return
        self._batches = progress.total
        self._marks.append((time.perf_counter(), progress.done))
        if self._marks[-1][0] - self._marks[0][0] > self._limit_s:
            raise PaceKnownError

    @property
    def fraction(self) -> float:
        """Fraction of the epoch between the first record and the last."""
        return (self._marks[-1][1] - self._marks[0][1]) / self._batches

    @property
    def epoch_s(self) -> float:
        """Seconds of the whole epoch at this pace."""
        return (self._marks[-1][0] - self._marks[0][0]) / self.fraction


def preparing(order: Order) -> Repetition:
    """Reading, encoding and splitting; what has to be imported for it counts as well."""

    def once() -> Answer:
        seconds, split = timed(lambda: _prepared(order))
        return {"seconds": seconds, "work": 1, "rows": len(split.everything)}

    return once


def epoch(order: Order) -> Repetition:
    """An epoch of NCF, or as much of it as fits the limit; preparing is not counted."""
    split = _prepared(order)

    def once() -> Answer:
        pace = Pace(order.options["limit_s"])
        run = tm.TrainingRun(device="cpu", on_progress=pace)
        try:
            model = tm.NCF(epochs=1).fit(split, run)
        except PaceKnownError:
            seconds, fraction = pace.epoch_s, pace.fraction
        else:
            seconds, fraction = model.log.elapsed_s, 1.0
        rows = len(split.everything)
        return {"seconds": seconds, "work": 1, "rows": rows, "share": fraction}

    return once


def _prepared(order: Order) -> tm.Split:
    folder = Path(order.generated)
    if order.options["layout"] == "csv":
        data = tm.load(folder)
    else:
        data = tm.read(folder / "ratings.parquet")
    return tm.leave_one_out(data)


if __name__ == "__main__":
    serve(preparing=preparing, epoch=epoch)
