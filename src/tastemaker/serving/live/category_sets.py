"""Category sets: numbers for the distinct sets of categories of items, for look-ups by array.

For new items, which are scored by their features, items with different features also have
different numbers.
"""

import json
import threading
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from tastemaker.data.feature_values import usable_features
from tastemaker.models.recommender import Recommender

Categories = tuple[str, ...]


class CategorySets:
    """The sets of categories seen so far. It only grows, so snapshots of different age share it."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Categories, str], int] = {}
        self._numbers_with: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, categories: Categories, features: Mapping[str, Any] | None = None) -> int:
        """Returns the number of a set; a set that was not seen before gets the next number.

        Args:
            categories: the categories of an item.
            features: its further features, if these distinguish items as well.
        """
        key = categories, json.dumps(features, sort_keys=True) if features else "{}"
        known_number = self._numbers.get(key)
        if known_number is not None:
            return known_number
        with self._lock:
            if key not in self._numbers:  # another thread may have added it
                number = self._numbers[key] = len(self._numbers)
                for name in set(categories):
                    self._numbers_with.setdefault(name, []).append(number)
            return self._numbers[key]

    def since(self, number: int) -> list[dict[str, Any]]:
        """Returns the sets from a number on, as features by name."""
        if number == len(self._numbers):
            return []
        with self._lock:
            keys = list(self._numbers)[number:]
        return [{"categories": categories, **json.loads(text)} for categories, text in keys]

    def within(self, names: Collection[str]) -> np.ndarray:
        """Returns (n,) bool: whether each set has any of the categories."""
        with self._lock:
            mask = np.zeros(len(self._numbers), dtype=bool)
            for name in names:
                mask[self._numbers_with.get(name, [])] = True
            return mask


class NewItemVectors:
    """The model's vectors (keys) for items without interactions in training, by their features.

    A key depends on the features alone, so each set's is computed once, when it is first needed.
    """

    def __init__(self, model: Recommender, sets: CategorySets) -> None:
        self._model, self._sets = model, sets
        self._keys: np.ndarray | None = None
        self._known = np.zeros(0, dtype=bool)
        self._lock = threading.Lock()

    @property
    def known(self) -> np.ndarray:
        """(n,) bool: whether the model can score an item with each set of features."""
        with self._lock:
            self._add_missing()
            return self._known

    def scores(self, queries: np.ndarray) -> np.ndarray:
        """Returns (n_queries, n) float32 scores of an item of each set; -inf if it has no key."""
        with self._lock:
            self._add_missing()
            keys, known = self._keys, self._known
        if keys is None:
            return np.full((len(queries), len(known)), -np.inf, dtype=np.float32)
        return np.where(known, queries @ keys.T, np.float32(-np.inf))

    def _add_missing(self) -> None:
        missing = self._sets.since(len(self._known))
        if not missing:
            return
        catalog = self._model.dataset.catalog
        new_keys = self._model.new_item_keys([usable_features(catalog, row) for row in missing])
        if new_keys is None:  # the model cannot score items by features
            self._known = np.zeros(len(self._known) + len(missing), dtype=bool)
            return
        keys = new_keys.keys.cpu().numpy()
        self._keys = keys if self._keys is None else np.concatenate([self._keys, keys])
        self._known = np.concatenate([self._known, new_keys.known])
