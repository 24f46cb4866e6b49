"""Notes on what the data have that compared or tuned models do not learn from."""

from collections.abc import Iterable

from tastemaker.cli.common import note
from tastemaker.data.split import Split
from tastemaker.models.recommender import Recommender


def note_unused(models: Iterable[Recommender], split: Split) -> None:
    """Prints the notes of some unfitted models on the training data, before any is trained."""
    for model in models:
        for line in model.notes_on(split.train):
            note(line)
