"""The best items of many users: how a model's scores become lists."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

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
    """What a list may hold and how it is chosen; the same for all users that are asked about."""

    exclude_seen: bool = True
    """Leave out what the user has touched, held-out interactions included."""
    eligible: ItemFilter | None = None
    """Leave out whatever is not among these."""
    diversity: float = 0.0
    """From 0, the best by score, to 1, the least similar: see ranking/diversify.py."""
    because: int = 0
    """With each item, at most so many items of the history that speak for it."""
    index: Index | None = None
    """How the best are found; None searches exactly."""

    def __post_init__(self) -> None:
        if not 0 <= self.diversity <= 1:
            raise ConfigError(f"diversity is {self.diversity:g}; it must be from 0 to 1")
        if self.because < 0:
            raise ConfigError(f"because is {self.because}; give a number of reasons, or 0 for none")


class Lists(NamedTuple):
    """The lists of a block of users."""

    users: UserBatch
    items: np.ndarray
    """(n, k) int64 codes."""
    scores: np.ndarray
    """(n, k) float32."""
    lengths: np.ndarray
    """(n,) how many entries of each row are real; the rest may not be recommended."""


def top_items(
    model: ComparingScorer,
    users: UserBatch,
    k: int,
    rules: ListRules,
    on_progress: OnProgress | None = None,
) -> Iterator[Lists]:
    """The best k items as codes, some users at a time, so that memory does not grow with them.

    Raises:
        ConfigError: k is below 1, or the rules name a category that there is not.
        UnknownIdError: the rules name an item that is not in the data.
        UnsupportedError: diversity is asked of a model without item similarity.
    """
    if k < 1:
        raise ConfigError(f"k is {k}; it must be at least 1 recommendation")
    keys = model.item_keys
    index = rules.index or (None if keys is None else ExactIndex(keys))
    mask = None if rules.eligible is None else rules.eligible.mask(model.dataset)
    eligible = None if mask is None else torch.from_numpy(mask)
    n_best = k * CANDIDATES_PER_PLACE if rules.diversity else k
    step = max(1, SCORES_AT_ONCE // model.dataset.n_items)
    meter = Meter(on_progress, f"recommending with {model.name}", len(users))
    for start in range(0, max(len(users), 1), step):
        part = users.part(start, min(start + step, len(users)))
        exclusion = Exclusion(part if rules.exclude_seen else None, eligible)
        top = _best(model, part, n_best, index, exclusion)
        if rules.diversity:
            top = diversify(top, model.item_similarity.within, k, rules.diversity)
        yield Lists(part, *(column.cpu().numpy() for column in top))
        meter.advance(len(part))


def _best(
    model: ComparingScorer, users: UserBatch, k: int, index: Index | None, exclusion: Exclusion
) -> TopItems:
    unknown = model.is_cold(users)
    if index is None or unknown.all():
        return top_k(model.score(users), k, exclusion)
    known = ~unknown
    top = index.search(model.queries(users.at(known)), k, exclusion.at(known))
    if known.all():
        return top
    rest = _best(model, users.at(unknown), k, None, exclusion.at(unknown))
    return merged(top, rest, known)
