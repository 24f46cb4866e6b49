"""Trained items: the current data of the items of the run, on which the model was trained."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from tastemaker.serving.live.run_items import RunItems
from tastemaker.serving.store.items import ItemRecord


@dataclass(frozen=True, eq=False)
class TrainedItems:
    """The items of the run, and their changes."""

    run_items: RunItems
    changed: Mapping[int, ItemRecord]
    """Changed items by code."""
    _set_of: np.ndarray
    """(n_items,) int32: the number of each item's set of categories."""
    listable: np.ndarray
    """(n_items,) bool: which items may appear in a list."""

    @classmethod
    def of(cls, run_items: RunItems) -> Self:
        """Returns the items as they are in the run, without changes."""
        return cls(run_items, {}, run_items.set_of, np.ones(len(run_items), dtype=bool))

    def with_changes(self, changed: Mapping[int, ItemRecord]) -> Self:
        """Returns the items with new records for some codes."""
        if not changed:
            return self
        codes, sets = list(changed), self.run_items.sets
        set_of, listable = self._set_of.copy(), self.listable.copy()
        set_of[codes] = [sets.number(record.categories or ()) for record in changed.values()]
        listable[codes] = [record.listable for record in changed.values()]
        return type(self)(self.run_items, {**self.changed, **changed}, set_of, listable)

    def at(self, code: int) -> ItemRecord:
        """Returns the current record of an item, deleted or not."""
        return self.changed.get(code) or self.run_items.record(code)

    def within(self, categories: Collection[str]) -> np.ndarray:
        """Returns (n_items,) bool: which items are in any of the categories."""
        return self.run_items.sets.within(categories)[self._set_of]
