"""Trending: scores of items by recent events, which count half after each half-life."""

import math
import threading
import time
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.serving.live.catalog import LiveCatalog
from tastemaker.serving.live.run_items import RunItems
from tastemaker.serving.store.ids import codes_of
from tastemaker.serving.store.outages import DatabaseUnavailableError
from tastemaker.serving.store.trending import MIN_EXPONENT, TrendingStore

PRIOR_EVENTS = 1000
"""Weight of the popularity in training, in events; it gives the order before any events."""

MAX_AGE_HALF_LIVES = 0.01
"""Age, in half-lives, after which counts are read again even if there are no new events."""

FRACTION_OF_TIME = 0.05
"""Maximum fraction of the time that is spent on reading; it limits how often weights are read."""


@dataclass(frozen=True, eq=False)
class TrendingScores:
    """The trending scores of the items of a catalog; the same for all users."""

    known: torch.Tensor
    """(n_items,) float32 scores of the items that the model was trained with."""
    new: np.ndarray
    """(n_new,) float64 scores of the catalog's new items, by position."""


@dataclass(frozen=True, eq=False)
class _RunScores:
    """Scores derived from the counts, which hold for all catalogs of a run."""

    known: torch.Tensor
    """The field of the same name in `TrendingScores`."""
    other_ids: list[str]
    """Ids of items that the model was not trained with."""
    other_values: np.ndarray
    """(n,) float64 weights of these items."""


@dataclass(frozen=True, eq=False)
class _Counts:
    """Decayed counts of the items' events, and the scores derived from them."""

    item_ids: pl.Series
    values: np.ndarray
    """(n,) float64 counts of these items."""
    token: int | None
    read_again_at: float
    """Earliest time of the next read, by the monotonic clock."""
    decayed_at: float
    """Time from which the counts are outdated even if there are no new events, by that clock."""
    run_scores: WeakKeyDictionary[RunItems, _RunScores] = field(default_factory=WeakKeyDictionary)
    scores: WeakKeyDictionary[LiveCatalog, TrendingScores] = field(
        default_factory=WeakKeyDictionary
    )
    """Scores by catalog; those of a catalog that is no longer in use are freed with it."""


NO_WEIGHTS = pl.Series(dtype=pl.String), np.zeros(0)


class TrendingCache:
    """A thread-safe cache of the scores of all items, until they may have changed."""

    def __init__(self, store: TrendingStore) -> None:
        self._store = store
        self._counts: _Counts | None = None
        self._reading = threading.Lock()

    def scores(self, catalog: LiveCatalog, token: int | None) -> TrendingScores:
        """Returns the current scores, or those of the last response of the database.

        Args:
            catalog: the catalog whose items are scored.
            token: data version of the database, if it has one; equal ones stand for equal events.
        """
        counts = self._latest(token)
        found = counts.scores.get(catalog)
        if found is None:
            found = counts.scores[catalog] = _scores(catalog, counts)
        return found

    def _latest(self, token: int | None) -> _Counts:
        counts = self._counts
        if counts is not None:
            now = time.monotonic()
            is_current = token is not None and token == counts.token and now < counts.decayed_at
            # While another thread reads, the previous counts are used.
            if is_current or now < counts.read_again_at or self._reading.locked():
                return counts
        with self._reading:
            if self._counts is counts:
                self._counts = self._read(token)
            assert self._counts is not None
            return self._counts

    def _read(self, token: int | None) -> _Counts:
        began_at = time.monotonic()
        try:
            item_ids, values, half_life_s = self._current_weights()
        except DatabaseUnavailableError:
            token = None
            previous = self._counts
            known = NO_WEIGHTS if previous is None else (previous.item_ids, previous.values)
            (item_ids, values), half_life_s = known, math.inf
        now = time.monotonic()
        read_again_at = now + (now - began_at) / FRACTION_OF_TIME
        decayed_at = began_at + MAX_AGE_HALF_LIVES * half_life_s
        return _Counts(item_ids, values, token, read_again_at, decayed_at)

    def _current_weights(self) -> tuple[pl.Series, np.ndarray, float]:
        """Returns the ids of items, their counts, and the half-life of the counts in seconds."""
        weights = self._store.weights()
        if weights is None:
            return *NO_WEIGHTS, math.inf
        item_ids = pl.Series([row[0] for row in weights.rows], dtype=pl.String)
        weight = np.array([row[1] for row in weights.rows], dtype=np.float64)
        counted_at = np.array([row[2] for row in weights.rows], dtype=np.float64)
        # If the clock was set back, the time of a count may be in the future.
        age_s = np.maximum(0.0, time.time() - counted_at)
        half_life_s = weights.half_life_s
        values = weight * np.exp2(np.maximum(MIN_EXPONENT, -age_s / half_life_s))
        return item_ids, values, half_life_s


def _scores(catalog: LiveCatalog, counts: _Counts) -> TrendingScores:
    run_scores = counts.run_scores.get(catalog.run_items)
    if run_scores is None:
        run_scores = counts.run_scores[catalog.run_items] = _run_scores(catalog.dataset, counts)
    places = catalog.new.places(run_scores.other_ids)
    is_new = places >= 0
    new = np.zeros(len(catalog.new))
    new[places[is_new]] = run_scores.other_values[is_new]
    return TrendingScores(run_scores.known, new)


def _run_scores(dataset: Dataset, counts: _Counts) -> _RunScores:
    known = (PRIOR_EVENTS / max(1, len(dataset)) * dataset.item_counts).astype(np.float32)
    codes = codes_of(dataset.item_vocabulary, counts.item_ids)
    is_known = codes != UNKNOWN
    known[codes[is_known]] += counts.values[is_known].astype(np.float32)
    others = counts.item_ids.filter(~is_known).to_list()
    return _RunScores(torch.from_numpy(known), others, counts.values[~is_known])
