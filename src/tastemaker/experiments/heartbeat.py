"""Signs of life of running trials, by which one worker notices that another one was killed.

While a trial runs, its worker counts up an attribute of it. Another worker gives it up once it has
seen the same count for a minute by its own clock, so that the clocks of machines need not agree.
This works with every storage; the heartbeat of Optuna exists for databases only.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from tastemaker.experiments.storages import STORAGE_ERRORS

BEATS = "beats"
"""Attribute of a trial: how many signs of life its worker has given."""

BEAT_EVERY_S = 15.0
"""Seconds between two signs of life."""

SILENT_AFTER_S = 60.0
"""Seconds without a sign of life after which the worker of a trial counts as killed."""


@contextmanager
def beating(trial: optuna.Trial) -> Iterator[None]:
    """Gives signs of life of the trial while the block runs."""
    ended = threading.Event()

    def beat() -> None:
        n_beats = 0
        while not ended.wait(BEAT_EVERY_S):
            n_beats += 1
            try:
                trial.set_user_attr(BEATS, n_beats)
            except UpdateFinishedTrialError:
                break
            except (*STORAGE_ERRORS, OSError):
                continue  # The storage may be available again at the next beat.
        trial.storage.remove_session()

    thread = threading.Thread(target=beat, name="tastemaker-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class Watch:
    """Observes the running trials of other workers."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int | None, float]] = {}

    def is_silent(self, trial: FrozenTrial) -> bool:
        """Whether no sign of life was observed since a call more than SILENT_AFTER_S ago."""
        n_beats, now = trial.user_attrs.get(BEATS), time.monotonic()
        seen, since = self._seen.setdefault(trial.number, (n_beats, now))
        if n_beats != seen:
            self._seen[trial.number] = (n_beats, now)
            return False
        return now - since > SILENT_AFTER_S
