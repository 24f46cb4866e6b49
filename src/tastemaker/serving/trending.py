"""Trending: what is touched most lately, where an event counts half after each half-life."""

import time
from dataclasses import dataclass

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.serving.event_store import EventStore
from tastemaker.serving.live_catalog import LiveCatalog

HALF_LIVES = 7
"""What is older counts less than a hundredth, and is left out."""

BUCKETS = 24
"""In each half-life: events of one bucket count alike."""

PRIOR_EVENTS = 1000
"""What training knew of popularity counts as so many events: the order before there are any."""

SHARE_OF_TIME = 0.05
"""It is counted anew at most so often that counting takes no more of the time."""


@dataclass
class Trending:
    """Scores by item key, kept until there may be others."""

    store: EventStore
    half_life_s: float
    _counts: dict[str, float] | None = None
    _token: int | None = None
    _not_before: float = 0.0

    def counts(self, token: int | None) -> dict[str, float]:
        """How many events each item had of late, older ones counted less.

        Args:
            token: of the database's pulse; equal ones have equal events.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        now = time.monotonic()
        unchanged = token is not None and token == self._token
        if self._counts is None or (not unchanged and now >= self._not_before):
            self._counts, self._token = self._counted(), token
            self._not_before = time.monotonic() + (time.monotonic() - now) / SHARE_OF_TIME
        return self._counts

    def _counted(self) -> dict[str, float]:
        now, bucket_s = time.time(), max(1, round(self.half_life_s / BUCKETS))
        counts: dict[str, float] = {}
        for key, bucket, count in self.store.counted(
            int(now - HALF_LIVES * self.half_life_s), bucket_s
        ):
            age_s = max(0.0, now - (bucket + 0.5) * bucket_s)
            counts[key] = counts.get(key, 0.0) + count * 0.5 ** (age_s / self.half_life_s)
        return counts


def trending_scores(
    catalog: LiveCatalog, counts: dict[str, float]
) -> tuple[np.ndarray, dict[str, float]]:
    """Scores of the items that the model was trained with, by code, and of the new ones, by key."""
    dataset: Dataset = catalog.dataset
    share = dataset.item_counts / max(1, len(dataset))
    scores = (PRIOR_EVENTS * share).astype(np.float32)
    new = {record.item_id: 0.0 for record in catalog.added if record.listable}
    for key, count in counts.items():
        code = catalog.code(key)
        if code is not None:
            scores[code] += count
        elif key in new:
            new[key] += count
    return scores, new
