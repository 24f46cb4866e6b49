"""Selects the best items for many users from the scores of a model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.data.user_range import UserRange
from tastemaker.data.users import UserBatch
from tastemaker.errors import ConfigError
from tastemaker.models.scorer import ComparingScorer
from tastemaker.progress import Meter, OnProgress
from tastemaker.ranking.diversify import CANDIDATES_PER_PLACE, diversify
from tastemaker.ranking.exclusion import Exclusion
from tastemaker.ranking.filters import ItemFilter
from tastemaker.ranking.index import SCORES_AT_ONCE, ExactIndex, Index
from tastemaker.ranking.topk import TopItems, merged, top_k


@dataclass(frozen=True, eq=False)
class ListRules:
    """The items that lists may contain, and how they are selected; the same for all users."""

    exclude_seen: bool | None = None
    """Whether items that the user has touched are left out, including held-out interactions; by
    default they are, unless the rules of the data allow repeats (`LogRules.repeat_targets`)."""
    eligible: ItemFilter | None = None
    """Items that may be recommended; all by default."""
    diversity: float = 0.0
    """From 0, the best by score, to 1, the least similar: see ranking/diversify.py."""
    because: int = 0
    """Maximum number of items of the history that are given as reasons for each item."""
    index: Index | None = None
    """Index to search; an exact search by default."""

    def __post_init__(self) -> None:
        if not 0 <= self.diversity <= 1:
            raise ConfigError(f"diversity is {self.diversity:g}; it must be from 0 to 1")
        if self.because < 0:
            raise ConfigError(f"because is {self.because}; give a number of reasons, or 0 for none")

    def excludes_seen(self, dataset: Dataset) -> bool:
        """Returns whether items that the user has touched are left out, with these data."""
        default = not dataset.rules.repeat_targets
        return default if self.exclude_seen is None else self.exclude_seen


class Lists(NamedTuple):
    """The lists of a block of users."""

    users: UserBatch
    items: np.ndarray
    """(n, k) int64 codes."""
    scores: np.ndarray
    """(n, k) float32."""
    lengths: np.ndarray
    """(n,) number of valid entries in each row; the others must not be recommended."""


def top_items(
    model: ComparingScorer,
    users: UserBatch | UserRange,
    k: int,
    rules: ListRules,
    on_progress: OnProgress | None = None,
) -> Iterator[Lists]:
    """Yields the best k items as codes for some users at a time, in bounded memory.

    Raises:
        ConfigError: k is below 1, the rules name a category that does not exist, or the index is
            that of another model.
        UnknownIdError: the rules name an item that is not in the data.
        UnsupportedError: diverse lists are requested from a model without item similarity.
    """
    if k < 1:
        raise ConfigError(f"k is {k}; it must be at least 1 recommendation")
    keys = model.item_keys
    index = rules.index or (None if keys is None else ExactIndex(keys))
    if index is not None and keys is not None and index.keys.shape != keys.shape:
        raise ConfigError(
            f"index has keys of shape {tuple(index.keys.shape)}, but those of {model.name} are "
            f"{tuple(keys.shape)}; it is the index of another model"
        )
    mask = None if rules.eligible is None else rules.eligible.mask(model.dataset)
    eligible = None if mask is None else torch.from_numpy(mask)
    n_best = k * CANDIDATES_PER_PLACE if rules.diversity else k
    seen = rules.excludes_seen(model.dataset)
    step = max(1, SCORES_AT_ONCE // model.dataset.n_items)
    meter = Meter(on_progress, f"recommending with {model.name}", len(users))
    for part in _parts(users, step):
        exclusion = Exclusion(part.excluded(seen=seen), eligible)
        top = _best(model, part, n_best, index, exclusion)
        if rules.diversity:
            top = diversify(top, model.item_similarity.within, k, rules.diversity)
        yield Lists(part, *(column.cpu().numpy() for column in top))
        meter.advance(len(part))


def _parts(users: UserBatch | UserRange, n: int) -> Iterator[UserBatch]:
    """Yields at most n users at a time; at least one part, which may be empty."""
    for batch in users.batches():
        for start in range(0, max(len(batch), 1), n):
            yield batch.part(start, min(start + n, len(batch)))


def _best(
    model: ComparingScorer, users: UserBatch, k: int, index: Index | None, exclusion: Exclusion
) -> TopItems:
    is_cold = model.is_cold(users)
    if index is None or is_cold.all():
        return top_k(model.score(users), k, exclusion)
    known = ~is_cold
    known_top = index.search(model.queries(users.at(known)), k, exclusion.at(known))
    if known.all():
        return known_top
    cold_top = _best(model, users.at(is_cold), k, None, exclusion.at(is_cold))
    return merged(known_top, cold_top, known)
