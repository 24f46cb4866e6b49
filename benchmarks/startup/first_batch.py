"""tastemaker train, ended as soon as it says that a batch was trained.

python benchmarks/startup/first_batch.py DATA
"""

import os
import sys
from dataclasses import replace

from tastemaker.cli.main import main
from tastemaker.data.split import Split
from tastemaker.models.recommender import Recommender
from tastemaker.progress import Progress
from tastemaker.training.run import TrainingRun

fit = Recommender.fit


def fit_until_first_batch(model: Recommender, split: Split, run: TrainingRun) -> Recommender:
    """Does what Recommender.fit does, but ends the process when the first batch is done."""
    return fit(model, split, replace(run, on_progress=_leave))


def _leave(progress: Progress) -> None:
    if progress.done:
        os._exit(0)


if __name__ == "__main__":
    setattr(Recommender, "fit", fit_until_first_batch)  # noqa: B010  # mypy has no other way
    sys.argv = ["tastemaker", "train", sys.argv[1], "--out", "run"]
    main()
    sys.exit("the training told nothing of its progress")
