"""Trending: what is touched most lately, where an event counts half after each half-life."""

import threading
import time
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl
import torch

from tastemaker.data.vocabulary import UNKNOWN, Vocabulary
from tastemaker.serving.item_store import ItemRecord
from tastemaker.serving.live_catalog import LiveCatalog
from tastemaker.serving.outages import DatabaseAwayError
from tastemaker.serving.trending_store import FAINTEST, TrendingStore

PRIOR_EVENTS = 1000
"""What training knew of popularity counts as so many events: the order before there are any."""

SHARE_OF_TIME = 0.05
"""It is read anew at most so often that reading takes no more of the time."""


@dataclass(frozen=True, eq=False)
class TrendingScores:
    """What trending says of the items of a catalog; the same for everybody."""

    known: torch.Tensor
    """(n_items,) float32, of the items that the model was trained with."""
    new: tuple[tuple[ItemRecord, float], ...]
    """Of the items that it was not trained with and that may be listed, the best first."""


@dataclass(frozen=True, eq=False)
class _Counts:
    """How many events the items had of late, older ones counted less, and whom they were put to."""

    item_ids: pl.Series
    values: np.ndarray
    """(n,) float64."""
    token: int | None
    read_again_at: float
    """By the monotonic clock."""
    scores: WeakKeyDictionary[LiveCatalog, TrendingScores]
    """As long as there is the catalog: that of a model that was replaced takes its scores along."""


NOTHING = pl.Series(dtype=pl.String), np.zeros(0)


class Trending:
    """Scores of all items, kept until there may be others. For several threads at once."""

    def __init__(self, store: TrendingStore) -> None:
        self._store = store
        self._counts: _Counts | None = None
        self._reading = threading.Lock()

    def scores(self, catalog: LiveCatalog, token: int | None) -> TrendingScores:
        """What is trending by now, or was when the database last answered.

        Args:
            catalog: whose items are scored.
            token: of the database's pulse; equal ones have equal events.
        """
        counts = self._latest(token)
        found = counts.scores.get(catalog)
        if found is None:
            found = counts.scores[catalog] = _scores(catalog, counts.item_ids, counts.values)
        return found

    def _latest(self, token: int | None) -> _Counts:
        counts = self._counts
        if counts is not None:
            unchanged = token is not None and token == counts.token
            # While another thread reads, what there is will do.
            if unchanged or time.monotonic() < counts.read_again_at or self._reading.locked():
                return counts
        with self._reading:
            if self._counts is counts:
                self._counts = self._read(token)
            assert self._counts is not None
            return self._counts

    def _read(self, token: int | None) -> _Counts:
        began_at = time.monotonic()
        try:
            item_ids, values = self._weights_of_now()
        except DatabaseAwayError:
            token = None
            before = self._counts
            item_ids, values = NOTHING if before is None else (before.item_ids, before.values)
        now = time.monotonic()
        read_again_at = now + (now - began_at) / SHARE_OF_TIME
        return _Counts(item_ids, values, token, read_again_at, WeakKeyDictionary())

    def _weights_of_now(self) -> tuple[pl.Series, np.ndarray]:
        weights = self._store.weights()
        if weights is None:
            return NOTHING
        item_ids = pl.Series([row[0] for row in weights.rows], dtype=pl.String)
        weight = np.array([row[1] for row in weights.rows], dtype=np.float64)
        counted_at = np.array([row[2] for row in weights.rows], dtype=np.float64)
        # A clock that was set back has counted in what is still to come.
        age_s = np.maximum(0.0, time.time() - counted_at)
        return item_ids, weight * np.exp2(np.maximum(FAINTEST, -age_s / weights.half_life_s))


def _scores(catalog: LiveCatalog, item_ids: pl.Series, values: np.ndarray) -> TrendingScores:
    dataset = catalog.dataset
    known = (PRIOR_EVENTS / max(1, len(dataset)) * dataset.item_counts).astype(np.float32)
    codes = _codes(catalog.vocabulary, item_ids)
    there = codes != UNKNOWN
    known[codes[there]] += values[there].astype(np.float32)
    of_new = dict(zip(item_ids.filter(~there).to_list(), values[~there].tolist(), strict=True))
    new = [(record, of_new.get(record.item_id, 0.0)) for record in catalog.added if record.listable]
    new.sort(key=lambda pair: -pair[1])
    return TrendingScores(torch.from_numpy(known), tuple(new))


def _codes(vocabulary: Vocabulary, keys: pl.Series) -> np.ndarray:
    """(n,) codes of items by the text that stands for them in the database; UNKNOWN of others."""
    if vocabulary.is_text:
        return vocabulary.find(keys)
    numbers = keys.cast(pl.Int64, strict=False)
    codes = np.full(len(keys), UNKNOWN, dtype=np.int32)
    # As ids are written in one way only, "007" is not 7.
    whole = (numbers.cast(pl.String) == keys).fill_null(value=False).to_numpy()
    codes[whole] = vocabulary.find(numbers.filter(whole))
    return codes
