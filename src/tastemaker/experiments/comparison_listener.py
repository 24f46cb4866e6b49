"""The functions that receive the progress of a comparison."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tastemaker.evaluation.cold_start import ColdStart
from tastemaker.experiments.cold_start_runs import ColdStartModelResult
from tastemaker.experiments.model_runs import Listener, ModelResult
from tastemaker.notebook import shown_progress
from tastemaker.progress import Progress


@dataclass(frozen=True)
class ComparisonListener:
    """Functions that `compare` calls while it runs; by default they do nothing."""

    on_begin: Callable[[list[str], ColdStart | None], None] = lambda labels, cold: None
    """Receives the labels of the models before the first of them is trained: once with None, and
    again with the users held out for cold start before the models are trained without them."""
    on_stage: Callable[[str, str], None] = lambda label, stage: None
    """Receives the label and "training", "evaluating" or "waiting for another worker"
    when one of them begins."""
    on_progress: Callable[[str, Progress], None] = lambda label, progress: None
    """Receives the label and the progress of training."""
    on_done: Callable[[str, ModelResult | ColdStartModelResult], None] = lambda label, result: None
    """Receives the label and the result of a model."""
    on_failed: Callable[[str, Exception], None] = lambda label, error: None
    """Receives the label and the error of a model that failed. What it raises ends the
    comparison."""

    def of(self, label: str) -> Listener:
        """The listener for one model."""
        return Listener(
            lambda stage: self.on_stage(label, stage),
            lambda progress: self.on_progress(label, progress),
        )


@contextmanager
def listening(
    listener: ComparisonListener | None, was_stopped: Callable[[], bool]
) -> Iterator[ComparisonListener]:
    """Yields the given listener or, if there is none, one that shows a bar in a notebook.

    `was_stopped` is as for `shown_progress`.
    """
    if listener is not None:
        yield listener
        return
    with shown_progress(None, "compare", was_stopped) as on_progress:
        if on_progress is None:
            yield ComparisonListener()
            return
        yield ComparisonListener(
            # The metrics of a model would be mistaken for the result of the comparison.
            on_progress=lambda label, progress: on_progress(
                replace(progress, what=f"{label}, {progress.what}", metrics=None)
            )
        )
