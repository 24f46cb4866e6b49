"""Base of the models whose interactions can count less the older they are.

The age of an interaction is the number of later ones in the history of its user, as in Yi Ding and
Xue Li, 2005: Time Weight Collaborative Filtering (CIKM), who measure it in time.
"""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from tastemaker.config import AUTO, Config, described
from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.errors import DataError
from tastemaker.models.half_life import best_half_life
from tastemaker.models.recency import recency
from tastemaker.models.recommender import Recommender
from tastemaker.models.space import Choice
from tastemaker.process_group import process_rank, summed
from tastemaker.progress import OnProgress
from tastemaker.training.run import TrainingLog, TrainingRun

STORED = "half_life_events"
"""Name of the tensor of a state that holds the half-life that was found."""

HALF_LIVES_TO_TRY = Choice((None, 1, 2, 3, 5, 10, 20, 50, 100))
"""The range of `half_life_events` in a search."""


class FadingConfig(Config):
    """Settings of all models whose interactions can count less the older they are."""

    half_life_events: Annotated[
        Annotated[float, Field(gt=0)] | Literal["auto"] | None,
        described("a number above 0, auto or none"),
    ] = AUTO
    """Number of later interactions of the same user after which an interaction counts half, both in
    training and in a history that is scored; none: old ones count like new ones; auto: the one of
    3, 5, 10, 30, 100 and none with which items rank the latest training interactions best (a
    quarter of it in ials), and none for data without times or with too few users to tell."""


class FadingModel(Recommender):
    """A model that learns from weights, which it multiplies by the recency of the interactions."""

    config: FadingConfig
    uses_weights = True
    part_of_best: ClassVar[float] = 1.0
    """The model's best half-life, relative to that of plain similarities of items."""
    _half_life: float | None = None
    """The half-life with which the model was trained."""
    _faded: tuple[Split, Split] | None = None
    """The split that was faded last, and the result."""

    @property
    def half_life_events(self) -> float | None:
        """The half-life with which the model was trained: what `auto` found, or what was set.

        Raises:
            ConfigError: the model is not fitted.
        """
        _ = self.split  # raises the error
        return self._half_life

    def state(self) -> dict[str, torch.Tensor]:
        """Returns `half_life_events`, a float32 scalar, 0 for none, if the setting is auto."""
        if self.config.half_life_events != AUTO:
            return {}
        return {STORED: torch.tensor(self._half_life or 0.0)}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        given = self.config.half_life_events
        stored = float(state[STORED]) if STORED in state else 0.0
        self._half_life = (stored or None) if given == AUTO else given

    def _trained_on(
        self, split: Split, run: TrainingRun, start_from: Recommender | None = None
    ) -> None:
        super()._trained_on(split, run, start_from)
        if self._half_life is not None and self.config.half_life_events == AUTO:
            effect = f"an interaction counts half after {self._half_life:g} later ones of its user"
            note = f"{self.name}: {effect} (half_life_events, found from the data)"
            self.log.notes = (note, *self.log.notes)

    def _prepare(self, split: Split, run: TrainingRun) -> None:
        given = self.config.half_life_events
        if given == AUTO:
            given = self._found(super()._split_as_read(split).train, run.on_progress)
        self._half_life, self.log = given, TrainingLog()

    def _found(self, train: Dataset, on_progress: OnProgress | None) -> float | None:
        """Returns the half-life that suits the data, the same in all processes."""
        if train.timestamps is None:
            return None
        best = torch.zeros(())
        if process_rank() == 0:
            best += best_half_life(train, on_progress) or 0.0
        return self.part_of_best * float(summed(best)) or None

    def _split_as_read(self, split: Split) -> Split:
        split = super()._split_as_read(split)
        if self._half_life is None:
            return split
        if self._faded is None or self._faded[0] is not split:
            self._faded = split, _faded(split, self._half_life)
        return self._faded[1]

    def _as_read(self, users: UserBatch) -> UserBatch:
        users = super()._as_read(users)
        if self._half_life is None:
            return users
        if users.weights is None:
            # Without weights, a repeated item counts once, and only an unseen user's can repeat.
            users = users.merged() if (users.codes == UNKNOWN).any() else users
            mean_weight = super()._split_as_read(self.split).train.mean_weight
            weights = np.full(len(users.items), mean_weight, dtype=np.float32)
        else:
            weights = users.weights
        return replace(users, weights=weights * recency(users.indptr, self._half_life))


def _faded(split: Split, half_life: float) -> Split:
    """Returns a split whose training interactions have weights that fade with their age.

    Raises:
        DataError: the interactions have no times.
    """
    train = split.train
    if train.timestamps is None:
        raise DataError(
            f"{train.name}: half_life_events is {half_life:g}, but the data have no times, so the "
            "order of the interactions is unknown; name the time column with time=…, or leave "
            "half_life_events unset"
        )
    faded = recency(train.indptr, half_life)
    weights = faded if train.weights is None else train.weights * faded
    return replace(split, train=replace(train, weights=weights))
