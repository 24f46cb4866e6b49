"""Notes on what the data have that models do not learn from; an error with --strict."""

from collections.abc import Iterable

from tastemaker.cli.common import note
from tastemaker.data.split import Split
from tastemaker.models.recommender import Recommender


def note_unused(models: Iterable[Recommender], split: Split, *, strict: bool) -> None:
    """Prints the notes of some unfitted models on the training data, before any is trained.

    Raises:
        ConfigError: `strict` is set, and there is something to note.
    """
    for model in models:
        for line in model.notes_on(split.train, strict=strict):
            note(line)
